"""Sinks against real servers: a row that is refused is never lost without a report."""

import asyncio
import contextlib
import math
import threading
import time
from functools import partial

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

import telemetry
from clients.behind import KeysBehind
from clients.kafka import client_options
from clients.kafka_producer import KafkaProducer
from clients.kafka_topics import ensure_topics, keeps_all_messages
from clients.redis import connect, parse_address
from core.errors import BacklogError, StoreError
from core.timestamps import LATEST_MS
from pricing.commands import OverrideRemoval
from sinks.base.outgoing import Outgoing
from sinks.history import sink as history
from sinks.history.backlog import Backlog
from sinks.history.postgres import PostgresDatabase, PostgresWriter
from sinks.history.pricing import TABLES
from sinks.history.reader import HistoryReader
from sinks.history.sink import HistorySinkPartition, HistoryState, decode_state
from sinks.kafka.pricing import fit_update
from sinks.kafka.sink import KafkaSink
from sinks.redis import sink as redis
from sinks.redis.pricing import SCRIPT
from stack import kafka
from tests.support.history import rows_of
from tests.support.pipeline import Pipeline, wait_for
from tests.support.signals import event, override

ROWS = [b"P\trow %d" % index for index in range(10)]


def test_a_message_that_kafka_refuses_raises(pipeline: Pipeline) -> None:
    producer = KafkaProducer(client_options(pipeline.brokers, {}))
    producer.send(pipeline.topics["price-updates"], [(b"k", b"small")])
    # No topic has this partition.
    with contextlib.suppress(KafkaException):
        producer.send(pipeline.topics["price-updates"], [(b"k", b"value")], partition=99)
    for _ in range(2):
        with pytest.raises(KafkaException):
            producer.flush()


def test_messages_of_a_key_arrive_in_order_and_confirmed(pipeline: Pipeline) -> None:
    producer = KafkaProducer(client_options(pipeline.brokers, {}))
    for start in range(0, 5000, 500):
        producer.send(pipeline.topics["price-updates"], [(b"k", b"%d" % n) for n in range(start, start + 500)])
    producer.flush()
    values = [int(message.value or b"") for message in pipeline.read("price-updates")]
    assert values == list(range(5000))


def test_a_snapshot_waits_until_kafka_has_everything(pipeline: Pipeline) -> None:
    topic = pipeline.topics["price-updates"]
    sink = KafkaSink(KafkaProducer(client_options(pipeline.brokers, {})), topic, "test", fit_update)
    part = sink.build_part("step", "0", None)
    part.write_batch([Outgoing(0, [(b"%d" % n, b"x" * 300) for n in range(50_000)])])
    part.snapshot()
    consumer = Consumer({"bootstrap.servers": pipeline.brokers, "group.id": "count"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, index), timeout=10)[1] for index in range(4)]
    consumer.close()
    assert sum(ends) == 50_000


class FakeWriter:
    """A writer for a database that can be down."""

    def __init__(self) -> None:
        self.up = False
        self.rows: list[bytes] = []

    def write(self, rows: list[bytes]) -> int:
        if not self.up:
            raise StoreError("away")
        self.rows += rows
        return 0

    def close(self) -> None:
        pass


def open_backlog(
    pipeline: Pipeline,
    part: str,
    state: HistoryState | None = None,
    *,
    partitions: int = 4,
    keeps_all: bool = True,
) -> Backlog:
    """Open the backlog as the sink does for a partition with a resume state, on a topic of `partitions`
    partitions."""
    state = state or HistoryState([], None)
    client = client_options(pipeline.brokers, {})
    topic = pipeline.topics["history-backlog"]
    ensure_topics(client, {topic: {}}, threading.Event())
    backlog = Backlog(
        KafkaProducer(client),
        client,
        topic=topic,
        partitions=partitions,
        sink_partition=part,
        offset=state.backlog_offset,
        partition=state.backlog_partition,
        keeps_all=keeps_all,
    )
    wait_for(partial(_has_leader, backlog), what="a leader of the backlog's partition")
    return backlog


def _has_leader(backlog: Backlog) -> bool:
    """Return True if the partition has a leader. A new one may have none yet; the sink would try again."""
    try:
        backlog.waiting(None)
    except BacklogError:
        return False
    finally:
        backlog.close()
    return True


@pytest.mark.parametrize("partitions", [1, 4])
def test_rows_wait_in_the_backlog_and_arrive_also_after_a_restart(pipeline: Pipeline, partitions: int) -> None:
    def start(writer: FakeWriter, state: HistoryState, partitions: int) -> HistorySinkPartition:
        return HistorySinkPartition(
            writer, open_backlog(pipeline, "2", state, partitions=partitions), "2", state.rows
        )

    writer = FakeWriter()
    part = start(writer, HistoryState([], None), partitions)
    for row in ROWS:
        part.write_batch([Outgoing(0, [row])])
        time.sleep(0.05)
    state = decode_state(part.snapshot())
    part.close()
    # As after a crash, only the snapshot and the topic are left. The topic now has more partitions too.
    later = FakeWriter()
    restarted = start(later, state, 4)
    restarted.write_batch([Outgoing(0, [b"P\tnewest"])])
    later.up = True
    wait_for(lambda: {*ROWS, b"P\tnewest"} <= set(later.rows))
    restarted.close()


def test_rows_of_an_outage_go_to_the_backlog_many_at_once(pipeline: Pipeline) -> None:
    writer = FakeWriter()
    part = HistorySinkPartition(writer, open_backlog(pipeline, "3"), "3", [])
    part.write_batch([Outgoing(0, ROWS[:1])])
    wait_for(lambda: part._writer.down)
    for row in ROWS[1:]:
        part.write_batch([Outgoing(0, [row])])
    part.snapshot()
    messages = open_backlog(pipeline, "3")
    # The timing of the threads decides which rows the writer takes before it is down, so the count is not exact.
    assert 1 <= messages.waiting(None) <= 2
    messages.close()
    writer.up = True
    wait_for(lambda: sorted(writer.rows) == sorted(ROWS))
    part.close()


def test_one_read_of_the_backlog_takes_the_rows_of_many_messages(pipeline: Pipeline) -> None:
    backlog = open_backlog(pipeline, "0")
    rows = [b"P\trow %d" % index for index in range(1_000)]
    for row in rows:
        backlog.put([row])
    assert backlog.waiting(None) == len(rows)
    found: list[bytes] = []
    reads = 0
    while backlog.waiting(backlog.offset):
        read, backlog.offset = backlog.read()
        found += read
        reads += bool(read)
    backlog.close()
    assert found == rows
    assert reads < 20


def test_a_writer_that_fails_in_another_way_goes_on(pipeline: Pipeline) -> None:
    class NoFileLeft(FakeWriter):
        def write(self, rows: list[bytes]) -> int:
            if not self.up:
                raise OSError(24, "Too many open files")
            return super().write(rows)

    writer = NoFileLeft()
    part = HistorySinkPartition(writer, open_backlog(pipeline, "3"), "3", [])
    part.write_batch([Outgoing(0, ROWS)])
    wait_for(lambda: part._writer.down)
    writer.up = True
    wait_for(lambda: sorted(writer.rows) == sorted(ROWS))
    part.close()


class BusyWriter(FakeWriter):
    """A writer for a slow database: it waits until the test sets `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self.began, self.go = threading.Event(), threading.Event()

    def write(self, rows: list[bytes]) -> int:
        self.began.set()
        assert self.go.wait(20)
        return super().write(rows)


def start_busy(pipeline: Pipeline, writer: BusyWriter, *, keeps_all: bool = True) -> HistorySinkPartition:
    """Start a sink partition whose writer is already in a call to the database: the check that it makes before any
    rows."""
    part = HistorySinkPartition(writer, open_backlog(pipeline, "1", keeps_all=keeps_all), "1", [])
    assert writer.began.wait(20)
    return part


class HoldingWriter(BusyWriter):
    """A database that answers, and holds rows until it is told to take them."""

    def write(self, rows: list[bytes]) -> int:
        return super().write(rows) if rows else 0


def test_rows_that_are_not_written_yet_are_in_the_snapshot_and_go_on_from_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STALLED_S", 600.0)
    writer = HoldingWriter()
    part = HistorySinkPartition(writer, open_backlog(pipeline, "1"), "1", [])
    part.write_batch([Outgoing(0, ROWS[:4])])
    assert writer.began.wait(20)
    # Four are on their way to the database, six stand behind them.
    part.write_batch([Outgoing(0, ROWS[4:])])
    state = decode_state(part.snapshot())
    assert state.rows == ROWS
    assert not pipeline.read("history-backlog")
    # As after a crash: only the snapshot is left.
    later = FakeWriter()
    later.up = True
    restarted = HistorySinkPartition(later, open_backlog(pipeline, "1", state), "1", state.rows)
    wait_for(lambda: later.rows == ROWS)
    restarted.close()
    writer.go.set()
    part.close()


def test_a_busy_database_holds_up_the_flow_for_a_moment_and_gets_every_row(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PATIENCE_S", 0.2)
    # The writer must count as busy in the whole test, never as stalled.
    monkeypatch.setattr(history, "STALLED_S", 600.0)
    writer = BusyWriter()
    part = start_busy(pipeline, writer)
    rows = [b"P\trow %d" % index for index in range(10 * history.PENDING_ROWS_MAX)]
    for start in range(0, len(rows), history.PACE.rows_max):
        part.write_batch([Outgoing(0, rows[start : start + history.PACE.rows_max])])
        # The flow's thread uses up its patience in one wait, and does not wait a second time.
        assert part._patience_s in (0.2, 0.0)
    assert part._patience_s == 0.0
    part.snapshot()
    assert pipeline.read("history-backlog")
    writer.go.set()
    wait_for(lambda: len(writer.rows) >= len(rows) and part._patience_s, 20, "all rows, and patience")
    assert sorted(writer.rows) == sorted(rows)
    part.close()


def test_a_busy_database_is_waited_for_where_the_backlog_may_lose_rows(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STALLED_S", 600.0)
    writer = BusyWriter()
    part = start_busy(pipeline, writer, keeps_all=False)
    rows = [b"P\trow %d" % index for index in range(history.PENDING_ROWS_MAX)]
    part.write_batch([Outgoing(0, rows)])
    waits = threading.Thread(target=part.write_batch, args=([Outgoing(0, ROWS)],))
    waits.start()
    writer.go.set()
    waits.join(20)
    wait_for(lambda: len(writer.rows) == len(rows) + len(ROWS))
    assert not pipeline.read("history-backlog")
    assert part._patience_s == math.inf
    part.close()


@pytest.mark.parametrize("removed_at_ms", [-1, LATEST_MS + 1])
def test_history_without_a_range_has_rows_of_any_time(pipeline: Pipeline, removed_at_ms: int) -> None:
    writer = PostgresWriter(pipeline.history_url, TABLES)
    rows = rows_of(event(10.0), override(99), OverrideRemoval("A", removed_at_ms, 3))
    assert writer.write(rows) == 0
    # The three prices are there already; the override's row has an end that may be filled in.
    assert writer.write(rows) == 3
    writer.close()

    async def read() -> tuple[list[str], int]:
        reader = HistoryReader(PostgresDatabase(pipeline.history_url))
        points = await reader.read("A", 50, None, None)
        chart = await reader.chart("A", 50, None, None)
        await reader.close()
        return sorted(point.cause for point in points), chart.prices

    assert asyncio.run(read()) == (["event", "override_removed", "override_set"], 3)


def test_a_topic_that_drops_messages_is_noticed(pipeline: Pipeline) -> None:
    client = client_options(pipeline.brokers, {})
    kept, dropped = f"{pipeline.name}-kept", f"{pipeline.name}-dropped"
    ensure_topics(client, {kept: {"retention.ms": "-1"}, dropped: {}}, threading.Event())
    assert keeps_all_messages(client, kept) is kafka.is_available()
    assert not keeps_all_messages(client, dropped)


def test_rows_that_a_snapshot_puts_into_the_backlog_are_not_said_to_wait(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BusyWriter()
    part = start_busy(pipeline, writer)
    waiting = telemetry.SINK_PENDING.labels(history.NAME, "1")._value
    part.write_batch([Outgoing(0, ROWS)])
    assert waiting.get() == len(ROWS)
    monkeypatch.setattr(history, "STALLED_S", -1.0)
    part.snapshot()
    assert waiting.get() == 0
    writer.go.set()
    wait_for(lambda: writer.rows == ROWS)
    part.close()


def test_a_key_of_ours_that_holds_something_else_is_replaced_and_holds_up_no_other(pipeline: Pipeline) -> None:
    pipeline.redis.set("price:A", "a plain string")
    pipeline.redis.rpush("override:B", "a list")
    pipeline.start_flow()
    for product in ("A", "B", "C"):
        pipeline.event(product, 10.0)
    pipeline.send(
        "price-overrides",
        "B",
        {"product_id": "B", "override_price": 3, "reason": "r", "set_by": "s", "set_at": 1_700_000_000},
    )
    pipeline.flush()
    wait_for(lambda: pipeline.redis.type("price:A") == "hash")
    pipeline.wait_for_version("A", 1)
    pipeline.wait_for_version("B", 2)
    pipeline.wait_for_version("C", 1)
    assert pipeline.redis.hget("override:B", "override_price") == "3.00"
    pipeline.stop_flow()


def test_an_older_row_never_replaces_a_newer_one(pipeline: Pipeline) -> None:
    client = connect(parse_address(pipeline.redis_server.address))
    behind = KeysBehind(redis.NAME, "redis_not_newer")
    refused = telemetry.NOT_NEWER.labels(redis.NAME)._value
    before = refused.get()
    part = redis.RedisSinkPartition(redis.RedisStore(client, SCRIPT, ["%.2f"], behind), "0")

    def row(version: int) -> tuple[str, bytes]:
        update = (
            b'{"product_id":"A","new_price":%d,"timestamp":1,"version":%d,"previous_price":null,"demand":1.5,'
            b'"price_source":"dynamic","event_time_ms":1,"policy":"p","adjustments":[]}' % (version, version)
        )
        return "A", b'["A",1,%b,null,null]' % update

    for version in (5, 4, 6, 3):
        part.write_batch([Outgoing(0, [row(version)])])
        wait_for(lambda: not len(part._buffer))
        time.sleep(0.05)
    pipeline.wait_for_version("A", 6)
    assert pipeline.redis.hget("price:A", "price") == "6.00"
    assert pipeline.redis.hget("price:A", "demand") == "1.5"
    assert refused.get() - before == 2
    assert len(behind.since) == 1
    # The version that Redis has is no refusal: the product has caught up.
    part.write_batch([Outgoing(0, [row(6)])])
    wait_for(lambda: not behind.since)
    assert refused.get() - before == 2
    # A price that came after it was withdrawn stays. So do its indexes.
    part.write_batch([Outgoing(0, [("A", b'["A",1,null,null,5]')])])
    wait_for(lambda: refused.get() - before == 3)
    assert (pipeline.redis.hget("price:A", "price"), pipeline.redis.smembers("products")) == ("6.00", {"A"})
    part.write_batch([Outgoing(0, [("A", b'["A",1,null,null,7]')])])
    wait_for(lambda: not pipeline.redis.exists("price:A"))
    assert not pipeline.redis.exists("products")
    part.close()
