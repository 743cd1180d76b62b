"""Rows of history: what the flow encodes is what Postgres copies and what Oracle binds."""

import re

import msgspec
import oracledb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.positions import SourcePosition
from pricing.batches import EventBatch
from pricing.commands import OverrideRemoval
from pricing.decision import Cause, encode_update
from pricing.engine import BASE_REASON
from pricing.guardrails import GUARDRAILS, HELD, BoundsUnusableError
from pricing.policy import default_policy
from pricing.rules import RULES
from pricing.shard import Shard
from sinks import oracle
from sinks.history_rows import (
    encode_events,
    encode_price,
    encode_rows,
    parse_override,
    parse_price,
    split_by_table,
)
from sinks.history_store import migrations
from tests.unit.shards import NOW_MS as NOW
from tests.unit.shards import apply
from tests.unit.test_pricing import T0, event, override


def rows_of(*steps: object) -> list[bytes]:
    shard = Shard(default_policy())
    rows: list[bytes] = []
    for offset, step in enumerate(steps, 42):
        for decision in apply(shard, step, offset=offset):  # type: ignore[arg-type]
            encoded = encode_update(decision.update) if decision.update else None
            rows += encode_rows(decision, encoded)
    return rows


def test_an_event_is_one_row() -> None:
    tables = split_by_table(rows_of(event(10.0)))
    prices, overrides = tables.prices, tables.overrides
    assert overrides == []
    (row,) = map(parse_price, prices)
    assert (row.product_id, row.price, row.demand, row.price_source) == ("A", 15.0, 1.0, "dynamic")
    assert (row.event_time_ms, row.version, row.cause) == (T0, 1, "event")
    assert (row.source_topic, row.source_partition, row.source_offset) == ("events", 0, 42)
    assert row.adjustments.startswith('[{"rule":"base","amount":10.0')


def test_the_quick_row_of_an_event_is_the_row_of_an_event() -> None:
    batch = EventBatch("events", 3, [42, 44], [b"A", b"A"], [event(10.0), event(11.0)])
    events, _ = Shard(default_policy()).apply_events(batch, NOW)
    assert events is not None
    expected = [
        encode_price(SourcePosition("events", 3, offset), Cause.EVENT, update)
        for offset, update in zip((42, 44), events.updates, strict=True)
    ]
    assert encode_events(events) == expected
    # It leaves out escaping, so what the code itself puts into an update must not need it.
    for name, _, reason in (*RULES, *GUARDRAILS):
        assert "\\" not in msgspec.json.encode([name, reason]).decode()
    for reason in (BASE_REASON, HELD, str(BoundsUnusableError("x"))):
        assert "\\" not in msgspec.json.encode(reason).decode()


def test_events_under_an_override_are_no_history() -> None:
    rows = rows_of(event(10.0), override(99, expires_ms=NOW), event(11.0), OverrideRemoval("A", T0 + 9, 3))
    tables = split_by_table(rows)
    prices, overrides = tables.prices, tables.overrides
    assert [parse_price(row).cause for row in prices] == ["event", "override_set", "override_removed"]
    set_, ended = map(parse_override, overrides)
    assert (set_.override_price, set_.expires_time_ms, set_.removed_time_ms) == ("99", NOW, None)
    assert ended.removed_time_ms == T0 + 9
    assert (ended.source_offset, ended.reason) == (set_.source_offset, "sale")


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x10FF), min_size=1, max_size=40).filter(str.isprintable)
)
def test_any_printable_reason_survives(reason: str) -> None:
    changed = msgspec.structs.replace(override(5.0), reason=reason)
    tables = split_by_table(rows_of(changed))
    prices, overrides = tables.prices, tables.overrides
    assert parse_override(overrides[0]).reason == reason
    assert reason in [a["reason"] for a in msgspec.json.decode(parse_price(prices[0]).adjustments)]
    assert b"\n" not in prices[0]


def test_oracle_binds_fit_the_statements_and_the_drivers_types() -> None:
    tables = split_by_table(rows_of(event(10.0), override(99)))
    prices, overrides = tables.prices, tables.overrides
    price = oracle.price_binds(parse_price(prices[0]))
    over = oracle.override_binds(parse_override(overrides[0]))
    for statement, binds, sizes in (
        (oracle.INSERT_PRICE, price, oracle.PRICE_INPUT_SIZES),
        (oracle.MERGE_OVERRIDE, over, oracle.OVERRIDE_INPUT_SIZES),
    ):
        assert [int(n) for n in re.findall(r":(\d+)\b", statement)] == list(range(1, len(binds) + 1))
        assert len(sizes) == len(binds)
        for value, size in zip(binds, sizes, strict=True):
            number = size is oracledb.DB_TYPE_NUMBER
            assert value is None or isinstance(value, (int, float) if number else str)
    assert price[4] == "2023-11-14T22:13:20.000+00:00"
    assert over[5] is None


def test_oracle_leaves_duplicates_and_raises_everything_else() -> None:
    class BatchError:
        def __init__(self, code: int) -> None:
            self.code = code

    oracle.check_batch_errors([BatchError(1), BatchError(1)])
    with pytest.raises(oracledb.DatabaseError):
        oracle.check_batch_errors([BatchError(1), BatchError(1438)])


def test_an_oracle_url_is_taken_apart() -> None:
    given_url = "oracle://scott:ti%40ger:x@db:1521/FREEPDB1"
    assert oracle.connect_parameters(given_url) == {
        "user": "scott",
        "password": "ti@ger:x",
        "dsn": "db:1521/FREEPDB1",
    }
    with pytest.raises(ValueError, match="oracle://"):
        oracle.connect_parameters("oracle://nobody")


def test_both_dialects_have_the_same_migrations() -> None:
    postgres, oracle_ = migrations("postgres"), migrations("oracle")
    assert [number for number, _ in postgres] == [number for number, _ in oracle_] == [1, 2]
    for ours, theirs in zip(postgres, oracle_, strict=True):
        assert [s.split("(")[0] for s in ours[1]] == [s.split("(")[0] for s in theirs[1]]
        columns = [re.findall(r"^    (\w+) ", s, re.MULTILINE) for s in ours[1]]
        assert columns == [re.findall(r"^    (\w+) ", s, re.MULTILINE) for s in theirs[1]]
