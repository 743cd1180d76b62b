"""The real topology on test sources: one golden output, however it is run."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from connectors.decode import SignalKind, routing_key
from connectors.kafka import RawBatch
from core.shards import shard_of
from dataflows.pricing import Sinks, build
from dataflows.state_log import StateLog
from pricing.batches import RefillRequest
from pricing.policy import default_policy

GOLDEN = Path(__file__).parent / "golden" / "pricing.jsonl"
SHARDS = 8
CLOCK_MS = 1_700_000_100_000
# An epoch a batch: a crash resumes from the middle, with the state of the batch before.
EVERY_BATCH = timedelta(0)
TOPICS = {
    "events": SignalKind.PRODUCT_EVENTS,
    "catalogue": SignalKind.CATALOGUE,
    "overrides": SignalKind.OVERRIDES,
}

Item = tuple[str, RawBatch]


def seeded_items(any_order: bool = True) -> list[Item]:
    """Events with every kind of key, catalogue entries, overrides that are set, removed and over, and rubbish."""
    chance = random.Random(5)
    items: list[Item] = []
    for offset in range(300):
        product = f"P{chance.randrange(12)}"
        key: bytes | None = product.encode()
        topic = chance.choices(["events", "catalogue", "overrides"], [20, 1, 2])[0]
        body: dict[str, Any] | None
        if topic == "events":
            event_type = chance.choice(["view", "cart", "purchase", "return"])
            at_s = 1_700_000_000 + offset
            timestamp = chance.choice([at_s, at_s * 1000, at_s + 0.25])
            body = {"event_type": event_type, "product_id": product, "timestamp": timestamp, "price": 10.0 + offset}
            key = chance.choice([key, None, b"somebody-else"]) if any_order else key
        elif topic == "catalogue":
            body = {"product_id": product, "name": f"Product {product}", "category": "c", "base_price": 5.0}
        else:
            over = CLOCK_MS / 1000 - 1 if any_order and chance.random() < 0.3 else None
            body = {"product_id": product, "override_price": 50.0, "reason": "r", "set_by": "s"}
            body |= {"set_at": CLOCK_MS, "expires_at": over}
            body = chance.choice([body, None])
        value = None if body is None else json.dumps(body).encode()
        value = b"\xff" if chance.random() < 0.02 else value
        shard = shard_of(routing_key(key, value), SHARDS)
        batch = RawBatch(shard, topic, 0, [offset], [key], [value], [1_700_000_000_000 + offset])
        items.append((str(shard), batch))
    return items


class Outputs:
    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.latest: list[Any] = []
        self.history: list[Any] = []
        self.letters: list[Any] = []

    def flow(
        self,
        items: list[Any],
        refills: list[tuple[str, RefillRequest]] | None = None,
        state_log: StateLog | None = None,
    ) -> Dataflow:
        sinks = Sinks(
            updates=TestingSink(self.updates),
            latest=TestingSink(self.latest),
            dead_letters=TestingSink(self.letters),
            history=TestingSink(self.history),
        )
        return build(
            TestingSource(items, batch_size=5),
            TestingSource(refills or []),
            sinks,
            default_policy(),
            TOPICS,
            SHARDS,
            clock=lambda: CLOCK_MS,
            state_log=state_log,
        )

    def lines(self) -> list[str]:
        """Everything that came out, once, in an order that does not depend on how it was run."""
        found = {("update", value.decode()) for _, out in self.updates for _, value in out.rows}
        found |= {("history", row.decode()) for _, out in self.history for row in out.rows}
        found |= {("dead letter", value.decode()) for _, out in self.letters for _, value in out.rows}
        return [json.dumps(entry) for entry in sorted(found)]

    def newest(self) -> dict[str, str]:
        return {name: row.decode() for _, out in self.latest for name, row in out.rows}


def golden() -> list[str]:
    return GOLDEN.read_text(encoding="utf-8").splitlines()


def test_a_full_run_gives_the_golden_output() -> None:
    outputs = Outputs()
    run_main(outputs.flow(seeded_items()))
    lines = outputs.lines()
    assert lines == golden()
    count = sum(len(out.rows) for _, out in outputs.updates)
    assert count == sum(line.startswith('["update"') for line in lines), "an update came twice"


def test_two_workers_give_what_one_gives() -> None:
    # Without foreign keys, which make a product's messages take several ways, and without timers: the order of
    # these is that of arrival.
    one, two = Outputs(), Outputs()
    run_main(one.flow(seeded_items(any_order=False)))
    cluster_main(two.flow(seeded_items(any_order=False)), [], 0, worker_count_per_proc=2)
    assert two.lines() == one.lines()
    assert two.newest() == one.newest()


@pytest.mark.parametrize("log", ["log, log", "whole, whole", "whole, log", "log, whole"])
@pytest.mark.parametrize("crash_after", [1, 37, 150, 299])
def test_a_crash_and_a_resume_give_what_a_full_run_gives(tmp_path: Path, crash_after: int, log: str) -> None:
    full = Outputs()
    run_main(full.flow(seeded_items(any_order=False)))
    init_db_dir(tmp_path, 2)
    recovery = RecoveryConfig(str(tmp_path))
    outputs = Outputs()
    items: list[Any] = seeded_items(any_order=False)
    items.insert(crash_after, TestingSource.ABORT())
    before_crash, after_crash = (StateLog(tmp_path / "state", writes=kind == "log") for kind in log.split(", "))
    flow = outputs.flow(items, state_log=before_crash)
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    before = sum(len(out.rows) for _, out in outputs.updates)
    flow = outputs.flow(items, state_log=after_crash)
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    assert outputs.lines() == full.lines()
    assert outputs.newest() == full.newest()
    # It went on from the crash and did not begin again.
    again = sum(len(out.rows) for _, out in outputs.updates) - before
    total = sum(line.startswith('["update"') for line in full.lines())
    assert total - before <= again <= total - before + 5


def test_a_refill_repeats_the_latest_rows_and_nothing_else() -> None:
    plain = Outputs()
    run_main(plain.flow(seeded_items()))
    outputs = Outputs()
    refills = [(str(shard), RefillRequest("test")) for shard in range(SHARDS)]
    flow = outputs.flow(seeded_items(), refills * 400)
    run_main(flow)
    assert outputs.lines() == plain.lines()
    assert outputs.newest() == plain.newest()
    assert sum(len(o.rows) for _, o in outputs.latest) > sum(len(o.rows) for _, o in plain.latest)


if __name__ == "__main__":
    made = Outputs()
    run_main(made.flow(seeded_items()))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(made.lines()) + "\n", encoding="utf-8")
