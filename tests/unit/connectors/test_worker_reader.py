"""The partitions of a worker that are read together."""

import pytest

from connectors.kafka import AT_ONCE, EPOCH_PASSES, REST_S, WAIT_S, CaughtUp, RawBatch, WorkerReader
from connectors.shared_consumer import PartitionRead, ResumeState


class Message:
    def __init__(self, partition: int, offset: int) -> None:
        self._partition, self._offset = partition, offset

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"K"

    def value(self) -> bytes:
        return b"V"

    def timestamp(self) -> tuple[int, int]:
        return 1, 5


class FakeConsumer:
    """A consumer that finds a message at each partition with every poll."""

    def __init__(self) -> None:
        self.reads: list[PartitionRead] = []
        self.is_stopped = False
        self.caught_up = False
        self.finds = True
        self.waits_s: list[float] = []

    def add(self, topic: str, index: int, state: ResumeState) -> PartitionRead:
        self.reads.append(PartitionRead(topic, index, state))
        return self.reads[-1]

    def remove(self, read: PartitionRead) -> None:
        self.reads.remove(read)

    def take(self, wait_s: float) -> list[tuple[PartitionRead, list[Message]]]:
        self.waits_s.append(wait_s)
        taken = []
        for read in self.reads if self.finds else []:
            offset = read.next_offset or 0
            read.next_offset = offset + 1
            taken.append((read, [Message(read.index, offset)]))
        return taken

    def has_caught_up(self, read: PartitionRead) -> bool:
        return self.caught_up

    def note_progress(self, read: PartitionRead) -> None:
        return None


def reader(count: int, of: int = 0) -> tuple[FakeConsumer, WorkerReader]:
    """A reader of `count` partitions; there are `of`, the others belong to other workers."""
    consumer = FakeConsumer()
    made = WorkerReader(consumer, 4)  # type: ignore[arg-type]
    for index in range(count):
        made.add("t", index, (None, None, False), CaughtUp(of or count, was_resumed=False))
    return consumer, made


def offsets(arrived: list[object]) -> list[tuple[int, int]]:
    return [
        at
        for each in arrived
        if isinstance(each, RawBatch)
        for at in zip(each.partitions, each.offsets, strict=True)
    ]


def test_the_first_partition_hands_on_the_messages_of_all() -> None:
    _, made = reader(3)
    first, *others = made._parts
    assert [part.next_batch() for part in others] == [[], []]
    assert offsets([*first.next_batch()]) == [(0, 0), (1, 0), (2, 0)]
    assert all((part.next_awake() is not None) for part in others)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_snapshots_hold_what_was_handed_on_whatever_their_order(order: tuple[int, ...]) -> None:
    _, made = reader(3)
    parts = made._parts
    handed: dict[int, int] = {}
    epochs = set()
    for _ in range(3):
        for _ in range(2):
            for batch in parts[0].next_batch():
                assert isinstance(batch, RawBatch)
                for partition, offset in zip(batch.partitions, batch.offsets, strict=True):
                    handed[partition] = offset + 1
                epochs.add(batch.epoch)
        for place in order:
            # Bytewax may ask for messages between two snapshots; nothing may come.
            assert parts[place].snapshot()[0] == handed[place]
            if place != order[-1]:
                assert parts[0].next_batch() == []
    assert len(epochs) == 3


def test_each_partition_says_in_the_next_epoch_that_it_has_caught_up() -> None:
    consumer, made = reader(2)
    parts = made._parts
    consumer.finds = False
    assert [part.snapshot() for part in parts] == [(None, None, False)] * 2
    assert parts[0].next_batch() == []
    consumer.caught_up = True
    assert [part.snapshot() for part in parts] == [(None, None, False)] * 2
    said = [each for each in parts[0].next_batch() if not isinstance(each, RawBatch)]
    assert sorted(shard for shard, _ in said) == sorted(["0", "1", "2", "3"] * 2)
    assert {each for _, each in said} == {CaughtUp(2, was_resumed=False)}
    for part in parts:
        part.snapshot()
    assert parts[0].next_batch() == []


def test_every_partition_ends_when_the_flow_is_asked_to_stop() -> None:
    consumer, made = reader(3)
    first, *others = made._parts
    consumer.is_stopped = True
    for part in (first, *others):
        with pytest.raises(StopIteration):
            part.next_batch()
        part.snapshot()
        part.close()
    assert consumer.reads == []


def test_the_next_partition_hands_on_when_the_first_one_is_closed() -> None:
    _, made = reader(2)
    first, second = made._parts
    first.close()
    assert offsets([*second.next_batch()]) == [(1, 0)]


@pytest.fixture
def rests_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times for which a reader rests. It does not."""
    found: list[float] = []
    monkeypatch.setattr("connectors.kafka.time.sleep", found.append)
    return found


def test_a_worker_that_is_alone_waits_for_messages_but_not_while_an_epoch_is_committed(
    rests_s: list[float],
) -> None:
    consumer, made = reader(2)
    first, second = made._parts
    for _ in range(2):
        consumer.waits_s.clear()
        for part in (first, second):
            part.snapshot()
        for _ in range(EPOCH_PASSES - 1):
            first.next_batch()
            assert first.next_awake() is not None
        rests_s.clear()
        for _ in range(3):
            first.next_batch()
            assert first.next_awake() is None
        assert consumer.waits_s == [0] * (EPOCH_PASSES - 1) + [WAIT_S] * 3


def test_a_worker_that_is_alone_rests_after_a_poll_that_has_found_a_few_messages(rests_s: list[float]) -> None:
    consumer, made = reader(2)
    (first, _) = made._parts
    for _ in range(EPOCH_PASSES + 1):
        first.next_batch()
    rests_s.clear()
    first.next_batch()
    assert len(rests_s) == 1
    assert 0 <= rests_s[0] <= REST_S
    made._last_count = AT_ONCE
    first.next_batch()
    consumer.finds = False
    first.next_batch()
    rests_s.clear()
    first.next_batch()
    assert rests_s == []


def test_one_of_several_workers_never_waits_for_messages() -> None:
    consumer, made = reader(2, of=3)
    consumer.finds = False
    for _ in range(EPOCH_PASSES + 2):
        made._parts[0].next_batch()
        assert made._parts[0].next_awake() is not None
    assert set(consumer.waits_s) == {0}
