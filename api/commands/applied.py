"""Applied commands: waits until Redis shows that the flow has applied an override, a removal, a freeze or a lift.

With it, a `GET` that follows the answer to a command sees the command's effect: docs/decisions/0032."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from core.errors import RedisDownError

APPLIED_WITHIN_S = 1.0
LOOK_AFTER_S = 0.05
"""Pause before the second look, if Redis reports no change. Each pause is twice the one before."""


class AppliedCommands:
    """The requests that wait for a key of Redis to change. Belongs to the event loop's thread.

    `KeyTracker` calls `change`. While Redis reports no changes, a request looks a few times by itself."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def change(self, names: list[str] | None) -> None:
        """These keys (None: any keys) have changed in Redis: requests that wait for them look again."""
        for name in list(self._waiting) if names is None else names:
            for event in self._waiting.get(name, ()):
                event.set()

    async def wait(self, name: str, is_applied: Callable[[], Awaitable[bool]]) -> bool:
        """True as soon as `is_applied` is, which reads Redis. It is called at once and after each change of the key
        `name`. False after APPLIED_WITHIN_S, or if Redis does not answer."""
        changed = asyncio.Event()
        self._waiting.setdefault(name, set()).add(changed)
        pause_s = LOOK_AFTER_S
        try:
            async with asyncio.timeout(APPLIED_WITHIN_S):
                while not await is_applied():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await changed.wait()
                    changed.clear()
                    pause_s *= 2
                return True
        except (TimeoutError, RedisDownError):
            return False
        finally:
            self._waiting[name].discard(changed)
            if not self._waiting[name]:
                del self._waiting[name]
