"""The market's flow on test sources and sinks, and seeded input for it."""

import json
import random
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource

from connectors.decode.market import TickKind
from connectors.kafka import RawBatch
from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from dataflows.ticks import Sinks, build
from market.bars import VERSIONS_APART
from market.policy import parse_policy
from market.state.symbol import Limits
from tests.support.pricing_flow import CLOCK_MS, SHARDS, Keeping

TOPICS = {"ticks": TickKind.PRICE_TICKS, "stocks": TickKind.STOCK_PRICES, "rules": None}
POLICY = parse_policy("[jump]\npercent = 1\n[volume_spike]\nratio = 3\n[outlier]\nscore = 3\nreturns = 5\n")


def seeded_items() -> list[RawBatch]:
    """Return 300 batches of one message, the same in every run: rules, then ticks in and out of order, late ones
    and bad messages. A rule among ticks would be in force some ticks earlier or later, from run to run."""
    chance = random.Random(9)
    items = []
    for offset in range(300):
        symbol = f"S{chance.randrange(8)}"
        key: bytes | None = symbol.encode()
        price = chance.randrange(9_500, 10_500) / 100
        at_s = 1_700_000_000 + offset * 5 - chance.choice([0, 0, 0, 10, 50, 90])
        topic = "rules" if offset < 5 else chance.choices(["ticks", "stocks"], [5, 1])[0]
        body: dict[str, Any] | None = {"symbol": symbol, "price": price, "volume": offset % 7, "ts": at_s}
        if topic == "stocks":
            body = {"symbol": symbol, "price": str(price), "timestamp": at_s * 1000}
        elif topic == "rules":
            key = b"rule-%d" % offset
            body = {"id": key.decode(), "symbol": symbol, "kind": "above", "threshold": 100}
        value = None if body is None else json.dumps(body).encode()
        value = b"\xff" if chance.random() < 0.02 else value
        items.append(RawBatch(topic, [0], [offset], [key], [value], [1_700_000_000_000 + offset], epoch=offset))
    return items


class MarketOutputs:
    """The items of each sink, over one or more executions of the flow."""

    def __init__(self) -> None:
        self.of_sink: dict[str, list[Any]] = {
            name: [] for name in ("ticks", "bars", "alerts", "deliveries", "dead_letters", "latest", "history")
        }

    def flow(
        self,
        items: list[Any],
        refills: list[tuple[str, RefillRequest]] | None = None,
        state_log: StateLog | None = None,
        execution: int = 0,
    ) -> Dataflow:
        """Build the flow on these items, with sinks that append to the lists."""
        return build(
            TestingSource(items, batch_size=5),
            TestingSource(refills or []),
            Sinks(**{name: Keeping(kept) for name, kept in self.of_sink.items()}),
            policy=POLICY,
            kinds=TOPICS,
            shards=SHARDS,
            limits=Limits(version_base=execution * VERSIONS_APART, history=5),
            clock=lambda: CLOCK_MS,
            state_log=state_log,
            execution=execution,
        )

    def lines(self) -> list[str]:
        """Return every different output once, as JSON, in an order that does not depend on the kind of run. Of each
        bar there is the newest version, without its number."""
        found = set()
        for name in ("ticks", "alerts", "dead_letters"):
            found |= {(name, value.decode()) for out in self.of_sink[name] for _, value in out.rows}
        bars: dict[tuple[Any, ...], dict[str, Any]] = {}
        for bar in (json.loads(value) for out in self.of_sink["bars"] for _, value in out.rows):
            key = bar["symbol"], bar["interval_s"], bar["start"]
            bars[key] = max(bars.get(key, bar), bar, key=lambda each: int(each["version"]))
        found |= {("bar", json.dumps({**bar, "version": None})) for bar in bars.values()}
        # Without the execution that wrote it.
        rows = (row for out in self.of_sink["history"] for row in out.rows if row.startswith(b"T"))
        found |= {("history", row.rpartition(b"\t")[0].decode()) for row in rows}
        return [json.dumps(entry) for entry in sorted(found)]
