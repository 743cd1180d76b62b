"""Rows of history: Postgres copies and Oracle binds the rows that the flow encodes."""

import re

import msgspec
import oracledb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.oracle import parse_url
from core.errors import BoundsUnusableError
from core.positions import SourcePosition
from pricing.batches import EventBatch
from pricing.commands import Freeze, OverrideRemoval, clean_reason
from pricing.decision import Cause, FreezeChange
from pricing.engine import BASE_REASON
from pricing.guardrails import GUARDRAILS, HELD
from pricing.policy import default_policy
from pricing.rules import RULES
from pricing.signals import ProductSignals, show
from pricing.state.shard import Shard
from sinks.history import oracle
from sinks.history.pricing import (
    OVERRIDES,
    PRICES,
    TABLES,
    encode_events,
    encode_freeze,
    encode_price,
    encode_signals,
)
from sinks.history.schema import migrations
from sinks.history.tables import Table, Value, parse_row, split_by_table, with_decimals
from tests.support.history import rows_of
from tests.support.shards import NOW_MS as NOW
from tests.support.signals import T0, event, override


def prices_of(rows: list[bytes]) -> list[dict[str, Value]]:
    return parsed(PRICES, rows)


def overrides_of(rows: list[bytes]) -> list[dict[str, Value]]:
    return parsed(OVERRIDES, rows)


def parsed(table: Table, rows: list[bytes]) -> list[dict[str, Value]]:
    """Return the rows of a table as values by column."""
    found = {each.name: rows for each, rows in split_by_table(TABLES, rows)}.get(table.name, [])
    names = [column.name for column in table.columns]
    return [dict(zip(names, parse_row(table, row), strict=True)) for row in found]


def test_an_event_is_one_row() -> None:
    rows = rows_of(event(10.0))
    assert overrides_of(rows) == []
    (row,) = prices_of(rows)
    assert (row["product_id"], row["price"], row["demand"], row["price_source"]) == ("A", "15.0", 1.0, "dynamic")
    assert (row["event_time"], row["version"], row["cause"]) == (T0, 1, "event")
    assert (row["source_topic"], row["source_partition"], row["source_offset"]) == ("events", 0, 42)
    assert str(row["adjustments"]).startswith('[{"rule":"base","amount":10.0')


def test_the_quick_row_of_an_event_is_the_row_of_an_event() -> None:
    batch = EventBatch("events", [3, 3], [42, 44], [b"A", b"A"], [event(10.0), event(11.0)])
    events, _ = Shard(default_policy()).apply_events(batch, NOW)
    assert events is not None
    expected = [
        encode_price(SourcePosition("events", 3, offset), Cause.EVENT, update)
        for offset, update in zip((42, 44), events.updates, strict=True)
    ]
    assert encode_events(events) == expected
    # The encoder does not escape names and reasons of rules, so these must need no escaping.
    for name, _, reason in (*RULES, *GUARDRAILS):
        assert "\\" not in msgspec.json.encode([name, reason]).decode()
    for reason in (BASE_REASON, HELD, str(BoundsUnusableError("x"))):
        assert "\\" not in msgspec.json.encode(reason).decode()


def test_events_under_an_override_are_no_history() -> None:
    rows = rows_of(event(10.0), override(99, expires_ms=NOW + 1), event(11.0), OverrideRemoval("A", T0 + 9, 3))
    assert [row["cause"] for row in prices_of(rows)] == ["event", "override_set", "override_removed"]
    set_, ended = overrides_of(rows)
    assert (set_["override_price"], set_["expires_time"], set_["removed_time"]) == ("99", NOW + 1, None)
    assert ended["removed_time"] == T0 + 9
    assert (ended["source_offset"], ended["reason"]) == (set_["source_offset"], "sale")


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x10FF), min_size=1, max_size=40).filter(
        lambda text: clean_reason(text) == text
    )
)
def test_any_reason_survives(reason: str) -> None:
    changed = msgspec.structs.replace(override(5.0), reason=reason)
    rows = rows_of(changed)
    assert overrides_of(rows)[0]["reason"] == reason
    assert reason in [a["reason"] for a in msgspec.json.decode(str(prices_of(rows)[0]["adjustments"]))]
    assert not any(b"\n" in row for row in rows)


def test_oracle_binds_fit_the_statements_and_the_drivers_types() -> None:
    freeze = Freeze("category:c", "r", "ann", T0, SourcePosition("freezes", 0, 1), True)
    rows = [*rows_of(event(10.0), override(99)), *encode_freeze(FreezeChange(freeze.scope, freeze, None, T0))]
    signals = ProductSignals(moved=-7)
    shown = show("A", signals, None, 10.0, at_s=T0 // 1000, policy=default_policy(), now_ms=T0)
    tables = split_by_table(TABLES, [*rows, encode_signals(shown)])
    assert [table for table, _ in tables] == list(TABLES)
    for table, (row, *_) in tables:
        binds, types = oracle.binds_of(table, row), oracle.input_types(table)
        statement = oracle.write_statement(table)
        assert [int(n) for n in re.findall(r":(\d+)\b", statement)] == list(range(1, len(binds) + 1))
        assert len(types) == len(binds)
        for value, driver_type in zip(binds, types, strict=True):
            number = driver_type is oracledb.DB_TYPE_NUMBER
            assert value is None or isinstance(value, (int, float) if number else str)
    (prices, price_rows), (overrides, override_rows), _, _ = tables
    assert oracle.binds_of(prices, price_rows[0])[4] == "2023-11-14T22:13:20.000+00:00"
    assert oracle.binds_of(overrides, override_rows[0])[5] is None


def test_oracle_statements_are_as_they_were_reviewed_as_no_server_runs_them_here() -> None:
    statements = {table.name: oracle.write_statement(table) for table in TABLES}
    assert statements["price_history"].startswith("INSERT INTO price_history (product_id, price, demand, ")
    assert "TO_NUMBER(:2, '99999999990D9999', 'NLS_NUMERIC_CHARACTERS=" in statements["price_history"]
    assert "TO_TIMESTAMP_TZ(:5, 'YYYY-MM-DD\"T\"HH24:MI:SS.FF3TZH:TZM')" in statements["price_history"]
    for name, end in (("price_overrides", "removed_time"), ("price_freezes", "lifted_time")):
        assert statements[name].startswith(f"MERGE INTO {name} stored USING (SELECT :1 AS ")
        assert f"WHEN MATCHED THEN UPDATE SET {end} = COALESCE(stored.{end}, given.{end})" in statements[name]
        assert "stored.source_partition = given.source_partition" in statements[name]


class Dictionary:
    """A cursor of an Oracle that has columns with two decimals. altered: the statements that change them."""

    def __init__(self) -> None:
        self.altered: list[str] = []

    def execute(self, statement: str, _binds: object = None) -> None:
        if statement.startswith("ALTER"):
            self.altered.append(statement)

    def fetchall(self) -> list[tuple[str, int | None]]:
        return [("price", 2), ("override_price", None), ("demand", 5)]


@pytest.mark.parametrize(
    ("decimals", "expected"), [(0, []), (2, []), (3, ["NUMBER(13, 3)"]), (4, ["NUMBER(14, 4)"])]
)
def test_oracle_columns_get_the_decimals_of_the_currency(decimals: int, expected: list[str]) -> None:
    cursor = Dictionary()
    oracle.widen_prices(cursor, with_decimals(TABLES, decimals))  # type: ignore[arg-type]
    assert cursor.altered == [f"ALTER TABLE price_history MODIFY (price {each})" for each in expected]


def test_oracle_leaves_duplicates_and_raises_everything_else() -> None:
    class BatchError:
        def __init__(self, code: int) -> None:
            self.code = code

    oracle.check_batch_errors([BatchError(1), BatchError(1)])
    with pytest.raises(oracledb.DatabaseError):
        oracle.check_batch_errors([BatchError(1), BatchError(1438)])


def test_an_oracle_url_is_taken_apart() -> None:
    given_url = "oracle://scott:ti%40ger:x@db:1521/FREEPDB1"
    assert parse_url(given_url) == {
        "user": "scott",
        "password": "ti@ger:x",
        "dsn": "db:1521/FREEPDB1",
    }
    with pytest.raises(ValueError, match="oracle://"):
        parse_url("oracle://nobody")


def test_both_dialects_have_the_same_migrations() -> None:
    postgres, oracle_ = migrations("postgres"), migrations("oracle")
    assert [number for number, _ in postgres] == [number for number, _ in oracle_] == [1, 2, 3, 4, 5, 6, 7, 8]
    for ours, theirs in zip(postgres, oracle_, strict=True):
        assert [s.split("(")[0] for s in ours[1]] == [s.split("(")[0] for s in theirs[1]]
        columns = [re.findall(r"^    (\w+) ", s, re.MULTILINE) for s in ours[1]]
        assert columns == [re.findall(r"^    (\w+) ", s, re.MULTILINE) for s in theirs[1]]
