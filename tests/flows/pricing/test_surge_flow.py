"""Prices of a surge, from the bytes of messages, against the formula a second time, which shares no code with the
flow. The flow is stopped in the middle and goes on from its snapshot."""

import json
import math
import random
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.decode.pricing import SignalKind
from connectors.decode.signals import ProductSignalKind
from connectors.kafka import RawBatch
from pricing.policy import parse_policy
from tests.support.pipeline import ROOT
from tests.support.plain_runner import PlainRunner

START_S = 1_700_000_000
LASTS_S = 9_000
END_S = START_S + LASTS_S
PRODUCTS = 12
SHARDS = 4
CATEGORIES = ("rides", "rooms", "food")
KINDS: dict[str, SignalKind | ProductSignalKind] = {
    "product-catalogue": SignalKind.CATALOGUE,
    "product-events": SignalKind.PRODUCT_EVENTS,
    "demand-forecasts": ProductSignalKind.FORECASTS,
    "supply": ProductSignalKind.SUPPLY,
    "external-events": SignalKind.EXTERNAL_EVENTS,
}
HOURS = [
    1.2,
    1.1,
    1.0,
    1.0,
    1.0,
    1.0,
    1.2,
    1.6,
    1.8,
    1.4,
    1.1,
    1.0,
    1.1,
    1.1,
    1.0,
    1.1,
    1.4,
    1.8,
    2.0,
    1.7,
    1.5,
    1.5,
]
HOURS += [1.4, 1.3]

Message = tuple[str, bytes, bytes | None]


class Market:
    """Messages of a marketplace, in any order of time, and the newest of each, for the formula."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = random.Random(seed)
        self.messages: list[Message] = []
        self.bases: dict[str, float] = {}
        self.categories: dict[str, str] = {}
        self.forecasts: dict[str, dict[str, Any]] = {}
        self.supply: dict[str, tuple[int, float]] = {}
        self.external: dict[str, dict[str, Any]] = {}
        names = [f"city-{number}" for number in range(PRODUCTS)]
        for name in names:
            base, category = chance.randrange(200, 5_000) / 100, chance.choice(CATEGORIES)
            self.bases[name], self.categories[name] = base, category
            self._send("product-catalogue", name, name=name, category=category, base_price=base, product_id=name)
        for nth in range(1_500):
            # In the order of time, nearly.
            at_s = min(START_S + nth * 6 + chance.randrange(-300, 300), END_S)
            name = chance.choice(names)
            chance.choices([self._forecast, self._supply, self._external], [6, 4, 1])[0](nth, name, at_s)
        for at_s in (END_S, END_S + 61):
            # Every product's shard comes to the same time, and to the minute after it: no forecast waits.
            for name in names:
                self._supply(0, name, at_s)

    def _send(self, topic: str, key: str, **value: Any) -> None:
        self.messages.append((topic, key.encode(), json.dumps(value).encode() if value else None))

    def _forecast(self, nth: int, name: str, at_s: int) -> None:
        chance = self._chance
        fields = {
            "type": "forecast",
            "product_id": name,
            "made_at": at_s * 1000 + nth % 1000,
            "model": "m",
            "source": chance.choice(["model", "cached", "category", "base"]),
            "horizons": {"60": {"mean": chance.randrange(400) / 10}, "1440": {"mean": chance.randrange(900)}},
            "demand_score": chance.randrange(101) / 100,
            "version": nth,
        }
        self._send("demand-forecasts", name, **fields)
        known = self.forecasts.get(name)
        if known is None or (fields["made_at"], nth) > (known["made_at"], known["version"]):
            self.forecasts[name] = fields

    def _supply(self, nth: int, name: str, at_s: int) -> None:
        available = self._chance.choice([0, 1, 2.5, 5, 10, 20, 40])
        self._send("supply", name, product_id=name, available=available, timestamp=at_s)
        if name not in self.supply or at_s >= self.supply[name][0]:
            self.supply[name] = at_s, float(available)

    def _external(self, nth: int, name: str, at_s: int) -> None:
        chance, event_id = self._chance, f"event-{self._chance.randrange(12)}"
        scope = chance.choice([{"product_id": name}, {"category": chance.choice(CATEGORIES)}])
        if chance.random() < 0.15:
            self._send("external-events", event_id)
            self.external.pop(event_id, None)
            return
        times = {"starts": at_s, "ends": at_s + chance.randrange(-500, 8_000)}
        fields = {"event_id": event_id, "score": chance.randrange(11) / 10, "name": "Concert", **times, **scope}
        self._send("external-events", event_id, **fields)
        self.external[event_id] = fields

    def price(self, name: str, now_s: int) -> float:
        """The price by the formula of the contract."""
        score, expected = 0.0, 0.0
        forecast = self.forecasts.get(name)
        if forecast and forecast["source"] != "base" and now_s - forecast["made_at"] // 1000 <= 900:
            score, expected = forecast["demand_score"], forecast["horizons"]["60"]["mean"]
        d = 2 * max(0.0, math.tanh(3 * (score - 0.5)) / math.tanh(1.5))
        at_s, available = self.supply[name]
        s = 0.0
        if expected and now_s - at_s <= 600:
            s = min(max(expected / available - 1, 0.0), 2.0) if available else 2.0
        t = min(max(HOURS[now_s // 3600 % 24] - 1, 0.0), 2.0)
        on = [
            event["score"]
            for event in self.external.values()
            if event["starts"] <= now_s < event["ends"]
            and (event.get("product_id") == name or event.get("category") == self.categories[name])
        ]
        e = 2 * max(on, default=0.0)
        factors = [Decimal(str(round(each, 6))).quantize(Decimal("0.0001"), ROUND_HALF_UP) for each in (d, s, t, e)]
        weights = [Decimal("0.4"), Decimal("0.3"), Decimal("0.2"), Decimal("0.1")]
        total = sum((weight * factor for weight, factor in zip(weights, factors, strict=True)), Decimal(1))
        multiplier = min(max(total, Decimal(1)), Decimal(3)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        steps = (Decimal(str(self.bases[name])) * multiplier / Decimal("0.25")).quantize(Decimal(1), ROUND_HALF_UP)
        return float(steps * Decimal("0.25"))


def run(market: Market, stops_after: int | None) -> tuple[dict[str, float], list[str]]:
    """Product to its last price, and the causes of all rows of history. stops_after: the number of messages after
    which the flow goes on from a snapshot."""
    text = (Path(ROOT) / "policies" / "surge.toml").read_text(encoding="utf-8")
    policy = parse_policy(text[: text.index("[guardrails]")])
    now_ms = START_S * 1000
    runner = PlainRunner(policy, KINDS, SHARDS, clock=lambda: now_ms)
    offsets = dict.fromkeys(KINDS, 0)
    runners = [runner]
    for count, (topic, key, value) in enumerate(market.messages):
        if count == stops_after:
            runner = PlainRunner(policy, KINDS, SHARDS, clock=lambda: now_ms, resume=runner.snapshot())
            runners.append(runner)
        partition = len(key) % 3
        runner.feed(RawBatch(topic, [partition], [offsets[topic]], [key], [value], [END_S * 1000]))
        offsets[topic] += 1
    assert [each.letters for each in runners] == [[]] * len(runners)
    prices: dict[str, float] = {}
    versions: dict[str, int] = {}
    for each in runners:
        for outgoing in each.updates:
            for _, message in outgoing.rows:
                update = json.loads(message)
                name = update["product_id"]
                assert update["version"] > versions.get(name, 0)
                prices[name], versions[name] = update["new_price"], update["version"]
                assert round(sum(part["amount"] for part in update["adjustments"]), 4) == update["new_price"]
    rows = [row for each in runners for outgoing in each.history for row in outgoing.rows]
    return prices, [row.decode() for row in rows]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_flow_ends_with_the_prices_of_the_formula(seed: int) -> None:
    market = Market(seed)
    expected = {name: market.price(name, END_S + 61) for name in market.bases}
    assert len(set(expected.values())) > PRODUCTS // 2
    prices, rows = run(market, None)
    assert prices == expected
    causes = ("forecast", "supply", "external", "external_started", "external_ended", "stale", "hour", "catalogue")
    assert all(any(f"\t{cause}\t" in row for row in rows) for cause in causes)
    # The database keeps one row of a product, cause and position: none is lost.
    keys = [(json.loads(fields[1])["product_id"], *fields[2:]) for fields in (row.split("\t") for row in rows)]
    assert len(set(keys)) == len(keys)
    assert run(market, 800)[0] == expected
