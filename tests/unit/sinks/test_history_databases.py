"""The choice of tables and the limits of time, without a database."""

import asyncio
import time
from typing import Any

import oracledb
import pytest

from clients import oracle as oracle_client
from core.errors import SchemaError, StoreError
from sinks.history import oracle
from sinks.history.oracle import OracleDatabase
from sinks.history.pricing import TABLES
from sinks.history.store import end_within


class Stubborn:
    """A call that a driver does not end when it is cancelled, because it waits for the server."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def wait(self) -> None:
        while not self.go_on.is_set():
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1


def test_a_call_ends_in_time_although_its_driver_waits_for_the_server() -> None:
    async def run() -> None:
        call = Stubborn()
        began = time.monotonic()
        with pytest.raises(StoreError, match="no answer within"):
            await end_within(call.wait(), 0.05)
        assert time.monotonic() - began < 2
        await asyncio.sleep(0)
        assert call.cancelled == 1
        call.go_on.set()

    asyncio.run(run())


def test_a_caller_that_goes_away_takes_its_call_along() -> None:
    async def run() -> None:
        call = Stubborn()
        caller = asyncio.create_task(end_within(call.wait(), 60))
        await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.sleep(0.01)
        assert call.cancelled == 1
        call.go_on.set()

    asyncio.run(run())


def test_an_oracle_that_is_frozen_is_waited_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn: list[Stubborn] = []

    class Acquired:
        async def __aenter__(self) -> None:
            stubborn.append(Stubborn())
            await stubborn[0].wait()

        async def __aexit__(self, *_: object) -> None:
            pass

    class Pool:
        def acquire(self) -> Acquired:
            return Acquired()

        async def close(self, *, force: bool) -> None:
            await asyncio.sleep(60)

    monkeypatch.setattr(oracle_client, "READ_WITHIN_S", 0.05)
    monkeypatch.setattr(oracle, "CLOSE_WITHIN_S", 0.05)
    monkeypatch.setattr(oracle_client, "make_pool", lambda _url: Pool())

    async def run() -> None:
        database = OracleDatabase("oracle://u:p@h:1521/s")
        with pytest.raises(StoreError, match="no answer within"):
            await asyncio.wait_for(database.fetch("SELECT 1 FROM dual", {}), 5)
        await asyncio.wait_for(database.close(), 5)
        stubborn[0].go_on.set()

    asyncio.run(run())


class Cursor:
    """A cursor of Oracle's dictionary. tables: name to columns and their types."""

    def __init__(self, tables: dict[str, dict[str, str]]) -> None:
        self._tables = tables

    def execute(self, statement: str, binds: list[str]) -> None:
        assert "all_tab_columns" in statement
        self._found = self._tables.get(binds[0], {})

    def fetchall(self) -> list[tuple[str, str]]:
        return list(self._found.items())


def tables_of_ours() -> dict[str, dict[str, str]]:
    return {
        table.name: {column.name: oracle._ACCEPTED[column.kind][0] for column in table.columns} for table in TABLES
    }


def test_a_table_of_another_program_in_oracle_is_named_before_anything_is_made() -> None:
    taken: Any = Cursor({"price_history": {"id": "NUMBER"}})
    with pytest.raises(SchemaError, match=r"price_history that another program made.*HISTORY_SCHEMA"):
        oracle._check_not_taken(taken, TABLES)
    begun: Any = Cursor({"pricewax_migrations": {"version": "NUMBER"}, "price_history": {"id": "NUMBER"}})
    oracle._check_not_taken(begun, TABLES)
    with pytest.raises(SchemaError, match="price_history has no column product_id"):
        oracle.check_tables(begun, TABLES)
    ours: Any = Cursor(tables_of_ours())
    oracle.check_tables(ours, TABLES)


@pytest.mark.parametrize(("code", "kind"), [(942, SchemaError), (1031, SchemaError), (12541, StoreError)])
def test_an_error_of_oracle_says_if_a_person_has_to_act(code: int, kind: type[StoreError]) -> None:
    class Details:
        def __init__(self) -> None:
            self.code = code

        def __str__(self) -> str:
            return f"ORA-{code:05}: text"

    found = oracle.store_error(oracledb.DatabaseError(Details()))
    assert type(found) is kind
    assert "text" in str(found)
