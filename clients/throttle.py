"""Throttled logging: a message that would repeat for as long as a fault lasts."""

import time

SAY_AGAIN_S = 10.0


class Throttle:
    """Says when a repeated message is due: at once, then every `every_s` seconds. One for each message; belongs to
    one thread.

    >>> throttle = Throttle()
    >>> if throttle.is_due(): log.warning("waiting for Kafka")
    """

    def __init__(self, every_s: float = SAY_AGAIN_S) -> None:
        self._every_s = every_s
        self._due_at = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._every_s
        return True
