"""The tables of the lake as a flow starts with them, and the sink on them."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

import telemetry
from clients.kafka_producer import KafkaProducer, Record
from clients.throttle import Throttle
from core.dead_letter import fit_letter
from core.errors import StartRefusedError, StoppedError
from dataflows.startup import Process
from settings import Settings
from sinks.history.databases import open_database
from sinks.lake.batch import Positions
from sinks.lake.catalog import open_catalog
from sinks.lake.price_rows import Versions, decode_positions
from sinks.lake.profits import Profits
from sinks.lake.sink import CommitLimits, Companion, LakeSink, LakeWriter
from sinks.lake.table import LakeTable, reason_of
from sinks.lake.tables import PRICE_HISTORY, SALES_PROFIT
from sinks.lake.upkeep import Upkeep, UpkeepPlan

RETRY_S = 1.0

log = telemetry.get_logger("lake")


class Lake(msgspec.Struct, frozen=True):
    """positions: from where the flow reads on."""

    positions: Positions
    sink: LakeSink


def open_lake(process: Process, address: str, producer: KafkaProducer) -> Lake:
    """The tables, made if they are missing, and a sink on them. Waits for the catalogue. address: of it. producer:
    of dead letters. Raises StoppedError and StartRefusedError."""
    settings = process.settings
    prices, profits = _open_tables(process, address)
    positions = _positions(prices)

    def open_writer() -> LakeWriter:
        versions = Versions()
        versions.load(prices, positions)
        log.info("the lake goes on", positions=positions, products=len(versions))
        plan = UpkeepPlan(settings.lake_upkeep_s, timedelta(days=settings.lake_keep_days))
        companions: list[Companion] = [Upkeep(prices, plan)]
        if profits is not None:
            database = partial(open_database, *_history(settings))
            companions += [Profits(profits, database, settings.lake_commit_s), Upkeep(profits, plan)]
        return LakeWriter(
            prices,
            versions,
            CommitLimits(settings.lake_commit_s, settings.lake_commit_rows),
            process.stop,
            send_letters=_letters(producer, settings.dead_letters_topic),
            companions=tuple(companions),
        )

    return Lake(positions, LakeSink(open_writer))


def _open_tables(process: Process, address: str) -> tuple[LakeTable, LakeTable | None]:
    """The tables of prices and, with a history database, of sales."""
    settings = process.settings
    throttle = Throttle()
    while not process.stop.is_set():
        catalog = None
        try:
            catalog = open_catalog(address, settings.lake_warehouse, settings.lake_properties)
            prices = LakeTable.open(catalog, PRICE_HISTORY)
            if settings.history_dsn is not None:
                return prices, LakeTable.open(catalog, SALES_PROFIT)
            log.warning("neither HISTORY_URL nor ORACLE_DSN is set: sales_profit is not in the lake")
            return prices, None
        except StartRefusedError:
            raise
        except Exception as error:
            # pyiceberg, the store and the catalogue have no common error.
            if throttle.is_due():
                log.warning("waiting for the lake", reason=reason_of(error))
            if catalog is not None:
                catalog.close()
        process.stop.wait(RETRY_S)
    raise StoppedError


def _positions(table: LakeTable) -> Positions:
    mark = table.mark()
    try:
        return decode_positions(mark)
    except ValueError:
        raise StartRefusedError(
            f"the table {table.kind.name} has {table.kind.mark} = {mark}, which is no position of this flow"
        ) from None


def _history(settings: Settings) -> tuple[str, str | None]:
    assert settings.history_dsn is not None
    return settings.history_dsn, settings.history_schema


def _letters(producer: KafkaProducer, topic: str) -> Callable[[list[Record]], None]:
    """A function that sends dead letters, and returns when Kafka has them."""
    producer.fit(topic, fit_letter)

    def send(letters: list[Record]) -> None:
        producer.send(topic, letters)
        producer.flush()

    return send
