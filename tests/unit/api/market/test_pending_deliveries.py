"""The pending deliveries: rebuilt from the topic, bounded, and kept while Kafka is away."""

import json

from api.market.delivery_schedule import Schedule
from api.market.pending_deliveries import Limits, Pending, PendingDeliveries

SCHEDULE = Schedule(jitter=0.0)
NOW_MS = 1_700_000_000_000
HOST = "https://example.com/hook"


def record(alert_id: str = "a", **more: int) -> bytes:
    return json.dumps({"id": alert_id, "url": HOST, "at": "t", "alert": {}, **more}).encode()


class Log:
    """A partition, as its consumer reads it into the pending deliveries. `writes` goes into it."""

    def __init__(self, pending: PendingDeliveries, partition: int = 0) -> None:
        self.pending = pending
        self.partition = partition
        self.records: list[tuple[bytes, bytes | None]] = []
        self._read = 0

    def put(self, alert_id: str, value: bytes | None) -> None:
        self.records.append((alert_id.encode(), value))

    def read(self, begin: int | None = None, *, end: bool = True) -> None:
        """Read from an offset, or on from where the last read has ended."""
        first = self._read if begin is None else begin
        for offset, (key, value) in list(enumerate(self.records))[first:]:
            self.pending.take((self.partition, key), offset, value, NOW_MS)
        self._read = len(self.records)
        if end:
            self.pending.reached_end(self.partition, NOW_MS)

    def write(self) -> list[tuple[bytes, bytes | None]]:
        """Write what there is to write, and confirm it."""
        written = [(key, value) for (_, key), value in self.pending.writes(1_000)]
        self.records += written
        for key, _ in written:
            self.pending.written((self.partition, key), is_confirmed=True)
        return written


def make(limits: Limits | None = None) -> tuple[PendingDeliveries, Log]:
    pending = PendingDeliveries(SCHEDULE, limits or Limits(), lambda: 0.5)
    pending.assign([0])
    return pending, Log(pending)


def take(pending: PendingDeliveries, now_ms: int = NOW_MS) -> Pending:
    entry = pending.next(now_ms)
    assert entry is not None
    return entry


def settle(pending: PendingDeliveries, entry: Pending, status: str = "delivered", now_ms: int = NOW_MS) -> str:
    assert status in ("delivered", "failed", "given_up")
    return pending.settle(entry, status, now_ms, began_ms=now_ms)  # type: ignore[arg-type]


def test_nothing_is_delivered_before_the_end_of_its_partition_was_read() -> None:
    pending, log = make()
    log.put("a", record())
    log.read(end=False)
    assert pending.next(NOW_MS) is None
    log.put("a", None)
    log.put("b", record("b"))
    log.read()
    assert take(pending).delivery.id == "b"
    assert pending.next(NOW_MS) is None


def test_a_failed_attempt_is_written_and_another_process_goes_on_with_its_schedule() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    assert settle(pending, take(pending), "failed") == "failed"
    ((_, value),) = log.write()
    assert json.loads(value or b"") == {
        **json.loads(record()),
        "first_at_ms": NOW_MS,
        "attempts": 1,
        "next_at_ms": NOW_MS + 5_000,
    }
    other, _ = make()
    log.pending = other
    log.read(0)
    assert other.next(NOW_MS + 4_999) is None
    assert settle(other, take(other, NOW_MS + 5_000), now_ms=NOW_MS + 5_000) == "delivered"
    assert log.write() == [(b"a", None)]
    assert len(other) == 0


def test_a_record_that_the_flow_writes_twice_neither_resets_the_schedule_nor_is_delivered_twice() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    settle(pending, take(pending), "failed")
    log.put("a", record())
    log.write()
    log.read()
    assert pending.next(NOW_MS) is None
    settle(pending, take(pending, NOW_MS + 5_000), now_ms=NOW_MS + 5_000)
    log.write()
    log.put("a", record())
    log.read()
    assert pending.next(NOW_MS + 10**9) is None
    assert log.write() == [(b"a", None)]
    # Another process reads the same from the beginning.
    other, _ = make()
    log.pending = other
    log.read(0)
    assert other.next(NOW_MS + 10**9) is None
    assert log.write() == []


def test_an_echo_of_a_failed_attempt_does_not_bring_a_delivery_back() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    settle(pending, take(pending), "failed")
    log.write()
    settle(pending, take(pending, NOW_MS + 5_000), now_ms=NOW_MS + 5_000)
    # The first write is read after the end of the delivery, and before that is written.
    log.read(end=False)
    assert pending.next(NOW_MS + 10**9) is None
    log.write()
    log.read()
    assert (log.records[-1], log.write(), len(pending)) == ((b"a", None), [], 0)


def test_a_result_that_kafka_does_not_take_is_written_again_in_its_newest_form() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    settle(pending, take(pending), "failed")
    ((key, _),) = pending.writes(10)
    settle(pending, take(pending, NOW_MS + 5_000), now_ms=NOW_MS + 5_000)
    # One write of a record at a time, so that their order is known.
    assert pending.writes(10) == []
    pending.written(key, is_confirmed=False)
    assert pending.writes(10) == [(key, None)]
    pending.write_all_again()
    assert pending.writes(10) == [(key, None)]


def test_deliveries_that_do_not_fit_stay_in_the_topic_until_there_is_room() -> None:
    pending, log = make(Limits(pending=3))
    for index in range(10):
        log.put(f"a{index}", record(f"a{index}"))
    delivered: list[str] = []
    log.read()
    while len(pending):
        assert len(pending) <= 3
        assert (pending.skipped(), pending.to_read_again()) == (int(len(delivered) < 7), {})
        while (entry := pending.next(NOW_MS)) is not None:
            settle(pending, entry)
            delivered.append(entry.delivery.id)
        log.write()
        for offset in pending.to_read_again().values():
            log.read(offset)
    assert delivered == [f"a{index}" for index in range(10)]
    assert pending.skipped() == 0


def test_a_partition_that_could_not_be_read_again_is_tried_again() -> None:
    pending, log = make(Limits(pending=1))
    log.put("a", record())
    log.put("b", record("b"))
    log.read()
    settle(pending, take(pending))
    assert pending.to_read_again() == {0: 1}
    assert pending.to_read_again() == {}
    pending.not_read_again(0, 1)
    assert pending.to_read_again() == {0: 1}


def test_a_revoked_partition_is_forgotten_but_a_success_is_still_written() -> None:
    pending, log = make()
    for each in "abc":
        log.put(each, record(each))
    log.read()
    succeeds, fails = take(pending), take(pending)
    pending.revoke([0])
    assert (len(pending), pending.owned(), pending.next(NOW_MS)) == (0, set(), None)
    settle(pending, succeeds)
    settle(pending, fails, "failed")
    assert log.write() == [(b"a", None)]
    # The partition comes back, and with it the delivery that failed.
    pending.assign([0])
    log.read(0)
    assert [take(pending).delivery.id, take(pending).delivery.id] == ["b", "c"]


def test_a_partition_that_comes_back_during_an_attempt_is_not_delivered_again_after_it() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    entry = take(pending)
    pending.revoke([0])
    pending.assign([0])
    log.read(0, end=False)
    settle(pending, entry)
    log.read()
    assert pending.next(NOW_MS) is None
    assert log.write() == [(b"a", None)]


def test_lost_partitions_go_on_and_their_failures_are_written_once_they_are_back() -> None:
    pending, log = make()
    log.put("a", record())
    log.put("b", record("b"))
    log.read()
    pending.lose()
    assert pending.owned() == set()
    settle(pending, take(pending), "failed")
    settle(pending, take(pending))
    assert log.write() == [(b"b", None)]
    settle(pending, take(pending, NOW_MS + 5_000), "failed", NOW_MS + 5_000)
    assert log.write() == []
    pending.assign([0])
    log.read(0)
    ((_, value),) = log.write()
    assert json.loads(value or b"")["attempts"] == 2


def test_lost_partitions_that_another_process_has_by_now_are_forgotten() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    settle(pending, take(pending), "failed")
    pending.lose()
    pending.assign([1])
    assert (len(pending), pending.owned(), log.write()) == (0, {1}, [])
    assert pending.next(NOW_MS + 10**9) is None


def test_attempts_of_another_process_are_taken_over() -> None:
    pending, log = make()
    log.put("a", record())
    log.read()
    settle(pending, take(pending), "failed")
    log.put("a", record(first_at_ms=NOW_MS, attempts=4, next_at_ms=NOW_MS + 600_000))
    log.read()
    assert pending.next(NOW_MS + 599_999) is None
    assert take(pending, NOW_MS + 600_000).delivery.attempts == 4


def test_a_delivery_that_fails_for_a_day_is_given_up() -> None:
    pending, log = make()
    log.put("a", record(first_at_ms=NOW_MS - 86_400_000, attempts=30, next_at_ms=NOW_MS))
    log.read()
    assert settle(pending, take(pending), "failed") == "given_up"
    assert log.write() == [(b"a", None)]


def test_an_unreadable_record_stays_in_the_topic() -> None:
    pending, log = make()
    log.put("a", b"{")
    log.read()
    assert (pending.next(NOW_MS), log.write(), len(pending)) == (None, [], 0)
