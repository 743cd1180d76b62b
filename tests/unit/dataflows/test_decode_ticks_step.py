"""The market's decoding step: ticks go to lanes, rules to shards, and what is bad becomes a letter."""

import json
from typing import Any

from connectors.decode.market import TickKind
from connectors.kafka import RawBatch
from core.placement import Placement
from core.shards import shard_of
from core.work import RefillRequest, Refused, Touched
from dataflows.steps.decode_ticks import Routed, TickDecoding
from market.alerts import AlertRule, RuleRemoval
from market.batches import RuleChanges, TickBatch

SHARDS = 8
KINDS = {"ticks": TickKind.PRICE_TICKS, "rules": None}
RULE: dict[str, Any] = {"id": "r1", "symbol": "ETH", "kind": "above", "threshold": 1.5}


def batch(topic: str, *messages: tuple[bytes | None, Any]) -> RawBatch:
    values = [
        value if value is None or isinstance(value, bytes) else json.dumps(value).encode() for _, value in messages
    ]
    count = len(messages)
    return RawBatch(
        topic, [1] * count, list(range(count)), [key for key, _ in messages], values, [5] * count, epoch=1
    )


def tick(symbol: str) -> tuple[bytes | None, Any]:
    return None, {"symbol": symbol, "price": 1, "ts": 1_700_000_000}


def decode(workers: int, *batches: Any) -> tuple[Placement, list[Routed]]:
    placement = Placement()
    placement.workers = workers
    return placement, TickDecoding(KINDS, SHARDS, placement)(batches)


def test_ticks_of_a_poll_are_one_item_for_each_worker_behind_their_shards() -> None:
    symbols = ["BTC/USD", "ETH", "^GSPC", "A", "B"]
    for workers in (1, 2):
        placement, routed = decode(workers, batch("ticks", *map(tick, symbols)))
        lanes = placement.lanes_of(SHARDS)
        found = {key: work for key, work in routed if isinstance(work, TickBatch)}
        assert found.keys() == {lanes[shard_of(symbol.encode(), SHARDS)] for symbol in symbols}
        ticks = [
            (each.symbol, shard, key)
            for key, work in found.items()
            for each, shard in zip(work.ticks, work.shards, strict=True)
        ]
        assert sorted(name for name, _, _ in ticks) == sorted(symbols)
        assert all((shard, lanes[shard]) == (shard_of(name.encode(), SHARDS), key) for name, shard, key in ticks)
        touched = {work.shard for _, work in routed if isinstance(work, Touched)}
        assert touched == {shard for _, shard, _ in ticks}


def test_a_rule_goes_to_the_shard_of_its_symbol_and_its_removal_to_all() -> None:
    _, routed = decode(1, batch("rules", (b"r1", RULE), (b"r2", None)))
    assert len(routed) == SHARDS
    for key, work in routed:
        assert isinstance(work, RuleChanges)
        of_symbol = int(key) == shard_of(b"ETH", SHARDS)
        assert [type(each) for each in work.changes] == [AlertRule] * of_symbol + [RuleRemoval]


def test_each_bad_message_is_one_letter_and_no_tick() -> None:
    bad: list[tuple[bytes | None, Any]] = [
        (b"", RULE),
        (b"r2", RULE),
        (b"r1", {**RULE, "threshold": None}),
        *((b"r1", {**RULE, "threshold": text}) for text in ("NaN", "-NaN", "sNaN12", "Infinity", "-1", "1e999999")),
        (b"r1", {**RULE, "symbol": "a b"}),
        (b"r1", {**RULE, "kind": "sideways"}),
        (b"r1", b"{"),
        (b"\xff", None),
    ]
    _, routed = decode(1, batch("rules", *bad))
    ((key, refused),) = routed
    assert isinstance(refused, Refused)
    assert (key, [letter.position.offset for letter in refused.letters]) == ("0", list(range(len(bad))))
    _, routed = decode(1, batch("ticks", (None, b"\xff"), tick("A")))
    assert sum(len(work.letters) for _, work in routed if isinstance(work, Refused)) == 1
    assert [len(work.ticks) for _, work in routed if isinstance(work, TickBatch)] == [1]


def test_what_is_routed_already_stays_as_it_is() -> None:
    request = ("3", RefillRequest("start"))
    assert decode(1, request)[1] == [request]
