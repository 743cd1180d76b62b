"""The lag of the flow, for tools that send no faster than it reads."""

import re
import time
import urllib.request

LOOK_EVERY_S = 0.5
ANSWER_WITHIN_S = 2.0
_LAG = re.compile(r"^pricewax_consumer_lag_messages\{[^}]*\} (\S+)$", re.MULTILINE)

# A proxy of the environment is for other addresses than the flow's.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LagLimit:
    """Tells if the flow is more than `messages_max` messages behind. Used by one thread.

    addresses: host:port of the metrics of each process of the flow."""

    def __init__(self, addresses: list[str], messages_max: float) -> None:
        self._urls = [f"http://{address}/metrics" for address in addresses]
        self._messages_max = messages_max
        self._exceeded = False
        self._next_look = 0.0

    def is_exceeded(self) -> bool:
        """Return True if the lag is above the limit, or not known. It asks the flow once in `LOOK_EVERY_S`."""
        if time.monotonic() >= self._next_look:
            try:
                # A lag that the flow does not know is NaN, which is not within the limit either.
                self._exceeded = not sum(map(_lag_at, self._urls)) <= self._messages_max
            except (OSError, ValueError):
                self._exceeded = True
            self._next_look = time.monotonic() + LOOK_EVERY_S
        return self._exceeded


def _lag_at(url: str) -> float:
    with _direct.open(url, timeout=ANSWER_WITHIN_S) as answer:
        return sum(map(float, _LAG.findall(answer.read().decode())))
