"""The status line of the demo, from the flow's metrics."""

import math
import re
import time
from collections.abc import Callable

from stack.process import fetch


class Rates:
    """Reads the metrics of the flow at `url`, and makes the status line. Used by the demo's main thread."""

    def __init__(self, url: str, read: Callable[[str], str] = fetch) -> None:
        self._url = url
        self._read = read
        self._before: tuple[float, float] | None = None

    def line(self) -> str:
        """The status line. The rate is that since the last call; the first call has none."""
        try:
            text = self._read(self._url)
        except OSError:
            return "the flow is not up"
        events = total(text, "pricewax_events_total")
        now = time.monotonic()
        before, self._before = self._before, (now, events)
        if before is None:
            return "  counting events"
        rate = max(0.0, events - before[1]) / max(now - before[0], 1e-3)
        messages = total(text, "pricewax_consumer_lag_messages")
        lag = "not known" if math.isnan(messages) else f"{messages:,.0f}"
        letters = total(text, "pricewax_dead_letters_total")
        products = total(text, "pricewax_products")
        return (
            f"  {rate:,.0f} events/s   lag {lag}   dead letters {letters:,.0f}"
            f"   products {products:,.0f}   events {events:,.0f}"
        )


def total(text: str, name: str) -> float:
    """The sum of a metric over all of its labels. text: the metrics page."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))
