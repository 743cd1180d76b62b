"""Throttled logging: limits a message that would repeat while a fault lasts."""

import time

SAY_AGAIN_S = 10.0


class Throttle:
    """The schedule of a repeated message: due at once, then every `every_s` seconds. Each message has its own
    instance. Belongs to one thread.

    >>> throttle = Throttle()
    >>> if throttle.is_due(): log.warning("waiting for Kafka")
    """

    def __init__(self, every_s: float = SAY_AGAIN_S) -> None:
        self._every_s = every_s
        self._due_at = 0.0

    def is_due(self) -> bool:
        """True if the message is due; the next one is then due `every_s` seconds later."""
        now = time.monotonic()
        if now < self._due_at:
            return False
        self._due_at = now + self._every_s
        return True
