"""Pending deliveries: those of the partitions that this process owns, and what is to be written about them.

The topic of deliveries is the durable state. This is its copy in memory, made by these rules:

1. A partition is read from its beginning. Its deliveries are made once its end was reached: before that, a record
   may follow that ends one of them.
2. In memory a delivery is never older than its record. A record that is read again changes nothing, unless another
   process has made further attempts.
3. An id that is done stays done. If its record comes again (the market's flow has written it twice, or a failed
   attempt was written late), it is removed from the topic again.
4. If memory is full, further records are skipped, and the first one of them is noted. When there is room, the
   partition is read again from there.
5. If the process loses its partitions because Kafka is away, it goes on with their deliveries. It writes results of
   failed attempts once the partitions are assigned to it again; the end of a delivery it writes in any case."""

import threading
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from itertools import count

import msgspec

import telemetry
from api.market.delivery_schedule import (
    Delivery,
    Outcome,
    Schedule,
    after_failure,
    decode_delivery,
    due_at_ms,
    encode_delivery,
)
from api.market.host_lanes import HostLanes
from clients.webhook import host_of

DONE_IDS_MAX = 50_000
"""Ids of deliveries that have ended, which are remembered to know their records if they come again."""

ROOM = 0.9
"""A partition is read again when memory is filled up to this part."""

Key = tuple[int, bytes]
"""Partition and key of a record."""


class Limits(msgspec.Struct, frozen=True):
    """The bounds of one process. pending: deliveries in memory. running, per_host: attempts at the same time, in
    total and for one host."""

    pending: int = 100_000
    running: int = 32
    per_host: int = 4


class Pending(msgspec.Struct, eq=False):
    """A delivery in memory. due_ms: of its next attempt, UTC milliseconds. started: its attempt runs, or waits for
    its host's turn. gone: it is no longer this process's, or done."""

    key: Key
    delivery: Delivery
    host: str
    due_ms: int
    started: bool = False
    gone: bool = False


class _Partition(msgspec.Struct):
    """A partition of this process. behind: its end was not reached yet. lost: see rule 5. fresh: deliveries that
    wait for its end. repeated: keys of rule 3. skipped_from: see rule 4."""

    behind: bool = True
    lost: bool = False
    entries: dict[bytes, Pending] = msgspec.field(default_factory=dict)
    fresh: list[Pending] = msgspec.field(default_factory=list)
    repeated: set[bytes] = msgspec.field(default_factory=set)
    skipped_from: int | None = None


class PendingDeliveries:
    """The pending deliveries of a process. Any thread may call it: the consumer's thread puts records in and takes
    writes out, and the event loop makes the attempts. Times are UTC milliseconds.

    chance: a random number from 0 to 1, for the jitter."""

    def __init__(self, schedule: Schedule, limits: Limits, chance: Callable[[], float]) -> None:
        self._schedule = schedule
        self._pending_max = limits.pending
        self._chance = chance
        self._lock = threading.Lock()
        self._partitions: dict[int, _Partition] = {}
        self._count = 0
        self._lanes: HostLanes[Pending] = HostLanes(limits.running, limits.per_host)
        # (time, number, delivery). An entry whose time is not the delivery's is out of date.
        self._due: list[tuple[int, int, Pending]] = []
        self._numbers = count()
        self._done: dict[Key, None] = {}
        # What is to be written, and what Kafka has not confirmed yet. True: the end of the delivery.
        self._unwritten: dict[Key, bool] = {}
        self._writing: dict[Key, bool] = {}

    def __len__(self) -> int:
        return self._count

    # The group's partitions

    def owned(self) -> set[int]:
        """The partitions that are assigned to this process."""
        with self._lock:
            return {index for index, part in self._partitions.items() if not part.lost}

    def assign(self, partitions: Iterable[int]) -> None:
        """Take partitions, which are then read from their beginning. Lost ones that are not among them are another
        process's by now."""
        with self._lock:
            taken = set(partitions)
            for index in [each for each, part in self._partitions.items() if part.lost and each not in taken]:
                self._forget(index)
            for index in taken:
                part = self._partitions.setdefault(index, _Partition())
                part.behind, part.lost, part.skipped_from = True, False, None

    def revoke(self, partitions: Iterable[int]) -> None:
        """Forget partitions: another process makes their deliveries. Attempts that run end; if they succeed, that
        is written."""
        with self._lock:
            for index in partitions:
                self._forget(index)

    def lose(self) -> None:
        """Keep all partitions without owning them, until `assign`."""
        with self._lock:
            for part in self._partitions.values():
                part.lost = True

    def _forget(self, index: int) -> None:
        part = self._partitions.pop(index, _Partition())
        self._count -= len(part.entries)
        for entry in part.entries.values():
            entry.gone = True
        self._due = [each for each in self._due if not each[2].gone]
        heapify(self._due)

    # Records

    def take(self, key: Key, offset: int, value: bytes | None, now_ms: int) -> None:
        """Take the record at an offset. value: None for a tombstone."""
        delivery = None if value is None else decode_delivery(value)
        host = "" if delivery is None else host_of(delivery.url)
        with self._lock:
            part = self._partitions.get(key[0])
            if part is None:
                return
            if value is None:
                self._end(part, key)
                self._note_done(key)
                part.repeated.discard(key[1])
            elif delivery is None:
                # It stays in the topic: a newer version may be able to read it.
                telemetry.WEBHOOK_DELIVERIES.labels("unreadable").inc()
            elif key in self._done or self._unwritten.get(key) or self._writing.get(key):
                part.repeated.add(key[1])
            elif entry := part.entries.get(key[1]):
                if delivery.attempts > entry.delivery.attempts and not entry.started:
                    entry.delivery = delivery
                    self._queue(entry, now_ms)
            elif self._count >= self._pending_max:
                part.skipped_from = offset if part.skipped_from is None else min(part.skipped_from, offset)
            else:
                part.entries[key[1]] = entry = Pending(key, delivery, host, 0)
                self._count += 1
                if part.behind:
                    part.fresh.append(entry)
                else:
                    self._queue(entry, now_ms)

    def reached_end(self, partition: int, now_ms: int) -> None:
        """Note that a partition was read up to its end."""
        with self._lock:
            part = self._partitions.get(partition)
            if part is None:
                return
            part.behind = False
            for entry in part.fresh:
                if not entry.gone:
                    self._queue(entry, now_ms)
            part.fresh.clear()
            for key in part.repeated:
                self._unwritten[partition, key] = True
                telemetry.WEBHOOK_DELIVERIES.labels("repeated").inc()
            part.repeated.clear()

    def to_read_again(self) -> dict[int, int]:
        """Partitions to read again, with the offset to begin at. Empty while there is no room."""
        with self._lock:
            if self._count > ROOM * self._pending_max:
                return {}
            found = {}
            for index, part in self._partitions.items():
                if part.skipped_from is not None and not part.behind and not part.lost:
                    found[index], part.skipped_from, part.behind = part.skipped_from, None, True
            return found

    def not_read_again(self, partition: int, offset: int) -> None:
        """Note that a partition of `to_read_again` could not be read again yet."""
        with self._lock:
            if part := self._partitions.get(partition):
                part.behind, part.skipped_from = False, offset

    def skipped(self) -> int:
        """The number of partitions that have records which are not in memory."""
        with self._lock:
            return sum(part.skipped_from is not None for part in self._partitions.values())

    # Attempts

    def next(self, now_ms: int) -> Pending | None:
        """The next delivery to attempt; the caller then calls `settle`. None if none is due, or as many run as
        may."""
        with self._lock:
            while self._due and self._due[0][0] <= now_ms:
                due_ms, _, entry = heappop(self._due)
                if not entry.gone and not entry.started and due_ms == entry.due_ms:
                    entry.started = True
                    self._lanes.add(entry.host, entry)
            while (found := self._lanes.take()) is not None:
                if not found.gone:
                    return found
                self._lanes.release(found.host)
            return None

    def next_due_ms(self) -> int | None:
        """The time at which `next` may have more to give, if nothing else changes. None for never."""
        with self._lock:
            return self._due[0][0] if self._due else None

    def settle(
        self, entry: Pending, outcome: Outcome, now_ms: int, *, began_ms: int, retry_after_ms: int = 0
    ) -> Outcome:
        """Note the outcome of an attempt. Returns it, or `given_up` if the time for attempts is over. began_ms: the
        attempt's beginning."""
        with self._lock:
            self._lanes.release(entry.host)
            entry.started = False
            if outcome == "failed":
                failed = after_failure(
                    entry.delivery,
                    self._schedule,
                    now_ms,
                    began_ms=began_ms,
                    retry_after_ms=retry_after_ms,
                    chance=self._chance(),
                )
                if entry.gone:
                    return outcome
                if failed is not None:
                    entry.delivery = failed
                    self._queue(entry, now_ms)
                    self._unwritten[entry.key] = False
                    return outcome
                outcome = "given_up"
            # By the key: the partition may have been revoked and assigned again during the attempt.
            if part := self._partitions.get(entry.key[0]):
                self._end(part, entry.key)
            self._note_done(entry.key)
            self._unwritten[entry.key] = True
            return outcome

    # Results

    def writes(self, limit: int) -> list[tuple[Key, bytes | None]]:
        """Records to write, at most `limit` of them; None is a tombstone. Each is confirmed by `written`."""
        with self._lock:
            found: list[tuple[Key, bytes | None]] = []
            for key, is_end in list(self._unwritten.items()):
                if len(found) >= limit:
                    break
                part = self._partitions.get(key[0])
                if key in self._writing or (not is_end and part is not None and part.lost):
                    continue
                del self._unwritten[key]
                entry = None if part is None else part.entries.get(key[1])
                if is_end or entry is not None:
                    self._writing[key] = is_end
                    found.append((key, None if is_end or entry is None else encode_delivery(entry.delivery)))
            return found

    def written(self, key: Key, *, is_confirmed: bool) -> None:
        """Note that Kafka has a record, or that it has to be written again."""
        with self._lock:
            is_end = self._writing.pop(key, False)
            if not is_confirmed:
                self._unwritten[key] = is_end or self._unwritten.get(key, False)

    def write_all_again(self) -> None:
        """Note that no confirmation will come for records that are being written."""
        for key in list(self._writing):
            self.written(key, is_confirmed=False)

    # With the lock held

    def _queue(self, entry: Pending, now_ms: int) -> None:
        entry.due_ms = due_at_ms(entry.delivery, self._schedule, now_ms)
        heappush(self._due, (entry.due_ms, next(self._numbers), entry))

    def _end(self, part: _Partition, key: Key) -> None:
        entry = part.entries.pop(key[1], None)
        if entry is not None:
            entry.gone = True
            self._count -= 1
        self._unwritten.pop(key, None)

    def _note_done(self, key: Key) -> None:
        self._done.pop(key, None)
        self._done[key] = None
        if len(self._done) > DONE_IDS_MAX:
            del self._done[next(iter(self._done))]
