"""Metrics of the flow's processes, read from their Prometheus endpoints when the status page is requested."""

import asyncio
import time
import urllib.request
from collections import deque
from collections.abc import Sequence
from functools import partial

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from api.web.work import WorkPool
from core.errors import UnavailableError

TIMEOUT_S = 1.0
ANSWER_WITHIN_S = 1.5
"""Seconds after which a process counts as one that does not answer, however slowly its answer goes on."""

SCRAPES_MAX = 16
FRESH_S = 1.0
WINDOW_S = 15.0
"""Seconds that rates and quantiles are taken over."""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the proxy of the environment (`HTTP_PROXY`), which does not know our own addresses."""

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


class Reading(msgspec.Struct, frozen=True):
    """Samples of all processes that answered, added up. at_s: the monotonic clock, in seconds. processes: how many
    answered."""

    at_s: float
    processes: int
    samples: Samples

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, among others."""
        wanted = labels.items()
        return sum(
            value
            for (found, given), value in self.samples.items()
            if found == name and wanted <= dict(given).items()
        )

    def alerts(self) -> list[tuple[str, str]]:
        """Code and subject of the alerts that hold in any process, sorted."""
        return sorted(
            (dict(given).get("code", ""), dict(given).get("subject", ""))
            for (found, given), value in self.samples.items()
            if found == "pricewax_alert" and value > 0
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums of a metric's samples for each value of a label."""
        found: dict[str, float] = {}
        for (sample, given), value in self.samples.items():
            if sample == name:
                key = dict(given).get(label, "")
                found[key] = found.get(key, 0.0) + value
        return found


class FlowMetrics:
    """The readings of the last WINDOW_S seconds. Belongs to the event loop's thread; processes are asked in others.

    addresses: `host:port` of each process's metrics. Used by the status page."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self._readings: deque[Reading] = deque()
        self._lock = asyncio.Lock()
        threads = min(SCRAPES_MAX, 2 * len(addresses))
        self._pool = WorkPool("flow-metrics", threads=threads, waiting_max=len(addresses), within_s=ANSWER_WITHIN_S)

    async def read(self) -> Reading:
        """A reading that is at most FRESH_S old."""
        async with self._lock:
            now = time.monotonic()
            if self._readings and now - self._readings[-1].at_s < FRESH_S:
                return self._readings[-1]
            answers = await asyncio.gather(*map(self._ask, self.addresses))
            samples: Samples = {}
            for answer in answers:
                for key, value in (answer or {}).items():
                    samples[key] = samples.get(key, 0.0) + value
            reading = Reading(time.monotonic(), sum(answer is not None for answer in answers), samples)
            if self._readings and self._readings[-1].processes != reading.processes:
                # Sums over more or fewer processes cannot be compared.
                self._readings.clear()
            self._readings.append(reading)
            while len(self._readings) > 2 and now - self._readings[1].at_s > WINDOW_S:
                self._readings.popleft()
            return reading

    async def _ask(self, address: str) -> Samples | None:
        """The samples of a process. None if it does not answer in time."""
        try:
            return await self._pool.run(partial(_scrape, address))
        except UnavailableError:
            return None

    def rate(self, name: str, **labels: str) -> float | None:
        """A counter's growth a second, over the window; None before there are two readings."""
        first, last = self._window()
        if first is None or last is None:
            return None
        grown = last.total(name, **labels) - first.total(name, **labels)
        return max(0.0, grown) / max(last.at_s - first.at_s, 1e-3)

    def quantiles_ms(self, histogram: str, **labels: str) -> dict[str, float | None]:
        """p50 and p99 of a histogram of seconds, over the window, in milliseconds: the upper bounds of their
        buckets. None if nothing was observed."""
        first, last = self._window()
        if first is None or last is None:
            return {"p50": None, "p99": None}
        return quantiles_ms(_buckets(first, histogram, labels), _buckets(last, histogram, labels))

    def _window(self) -> tuple[Reading | None, Reading | None]:
        if len(self._readings) < 2:
            return None, None
        return self._readings[0], self._readings[-1]


def quantiles_ms(before: dict[float, float], after: dict[float, float]) -> dict[str, float | None]:
    """p50 and p99, in milliseconds, of the observations between two readings of a histogram. before, after: its
    cumulative buckets, upper bound in seconds to count."""
    grown = sorted((bound, count - before.get(bound, 0.0)) for bound, count in after.items())
    total = grown[-1][1] if grown else 0.0
    if total <= 0:
        return {"p50": None, "p99": None}
    return {
        name: next(bound for bound, count in grown if count >= share * total) * 1000
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def _buckets(reading: Reading, histogram: str, labels: dict[str, str]) -> dict[float, float]:
    wanted = labels.items()
    found: dict[float, float] = {}
    for (name, given), value in reading.samples.items():
        named = dict(given)
        if name == f"{histogram}_bucket" and wanted <= named.items():
            bound = float(named["le"])
            found[bound] = found.get(bound, 0.0) + value
    # The overflow bucket has no upper bound; it is shown as twice the largest one.
    finite = [bound for bound in found if bound != float("inf")]
    if finite and float("inf") in found:
        found[2 * max(finite)] = found.pop(float("inf"))
    return found


def _scrape(address: str) -> Samples | None:
    """The samples of a process. None if it does not answer within TIMEOUT_S."""
    try:
        with _direct.open(f"http://{address}/metrics", timeout=TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return None
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.name.startswith("pricewax")
        for sample in family.samples
    }
