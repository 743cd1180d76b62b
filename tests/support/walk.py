"""`python -m tests.support.walk`: the walk of one event through the code, from the source to the frames of
WebSocket clients, by a trace. `docs/life-of-an-event.md` has its figures.

The real objects of every stage run in one thread, one after the other, as Bytewax, the writer threads and the
relay's thread would run them; Kafka, Redis and the database are replaced by the smallest objects that take their
calls."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from api.live.client import Client
from api.live.hub import Hub
from api.live.relay import Relay
from api.pricing.price_feed import decode_update
from connectors.decode.pricing import SignalKind
from connectors.kafka import CaughtUp, RawBatch, WorkerReader
from connectors.shared_consumer import PartitionRead, ResumeState
from core.placement import Placement
from dataflows.steps.decode import Decoding
from dataflows.steps.encode import encode_rows
from dataflows.steps.price import PricingStep
from dataflows.steps.room import product_room
from dataflows.workers import PerWorker
from pricing.policy import default_policy
from pricing.state.lane import Lane
from sinks.base.fan_out import FanOutPartition
from sinks.history.pricing import encode_history
from sinks.kafka.pricing import encode_updates
from sinks.kafka.sink import KafkaSinkPartition
from sinks.redis.pricing import encode_latest
from tests.support.pipeline import ROOT

SHARDS = 64
EVENT = {"event_type": "view", "product_id": "85123A", "timestamp": 1_700_000_000, "price": 2.95}


class Step(msgspec.Struct, frozen=True):
    """An entry of a file: a call out of another file of the tree. `stage` is the stage of the walk it happens
    in."""

    stage: str
    file: str


class Walk(msgspec.Struct):
    """The entries of a walk, in order."""

    steps: list[Step] = []

    @property
    def files(self) -> list[str]:
        """Each file once, in order of its first entry."""
        return list(dict.fromkeys(step.file for step in self.steps))

    @property
    def returns(self) -> int:
        """Entries of files that were entered before."""
        return len(self.steps) - len(self.files)

    def rooms(self, stage: str) -> list[str]:
        """The rooms that a stage enters, each once."""
        return list(dict.fromkeys(step.file.split("/")[0] for step in self.steps if step.stage == stage))


class FakeMessage:
    """A message as a Kafka client gives it."""

    def __init__(self, topic: str, key: bytes, value: bytes, offset: int) -> None:
        self._topic, self._key, self._value, self._offset = topic, key, value, offset

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000

    def error(self) -> None:
        return None


class FakeConsumer:
    """Gives the messages that it was given."""

    def __init__(self) -> None:
        self.messages: list[FakeMessage] = []

    is_stopped = False

    def add(self, topic: str, index: int, state: ResumeState) -> PartitionRead:
        self.read = PartitionRead(topic, index, state)
        return self.read

    def take(self, wait_s: float) -> list[tuple[PartitionRead, list[FakeMessage]]]:
        messages, self.messages = self.messages, []
        return [(self.read, messages)]


class FakeProducer:
    """Keeps the records that it is to send."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []

    def send(self, topic: str, records: list[tuple[bytes, bytes]]) -> None:
        self.records += records


class FakeSocket:
    """Keeps the frames that a client gets."""

    free = True

    def __init__(self) -> None:
        self.frames = b""

    def write(self, frames: bytes) -> None:
        self.frames += frames


@contextmanager
def traced(walk: Walk, stage: str) -> Iterator[None]:
    """Note every entry of one of our files in this thread."""
    inside: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if not name.startswith(str(ROOT)) or "/.venv/" in name or "/tests/" in name:
            return
        file = str(Path(name).relative_to(ROOT))
        if event == "call":
            if not inside or inside[-1] != file:
                walk.steps.append(Step(stage, file))
            inside.append(file)
        elif event == "return" and inside:
            inside.pop()

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


class Stages:
    """The objects of every stage, made once."""

    def __init__(self) -> None:
        self.consumer, self.producer, self.socket = FakeConsumer(), FakeProducer(), FakeSocket()
        reader = WorkerReader(self.consumer, SHARDS)  # type: ignore[arg-type]
        self.source = reader.add("product-events", 0, (None, None, False), CaughtUp(1, False))
        self.decoding = Decoding({"product-events": SignalKind.PRODUCT_EVENTS}, SHARDS, Placement())
        policy, room = default_policy(), product_room(1000)
        encode = partial(encode_rows, encoders=[encode_updates, encode_latest, encode_history])
        lanes = PerWorker(partial(Lane, policy, room))
        make = partial(PricingStep, policy, None, lanes=lanes, room=room, encode=encode)
        self.shard, self.lane = make(), make()
        updates = KafkaSinkPartition(self.producer, "price-updates", "price_updates")  # type: ignore[arg-type]
        self.sink = FanOutPartition({"updates": updates})
        self.relay = Relay({}, "price-updates", {}, decode_update)
        self.relay._live_from[0] = 0
        self.hub, self.client = Hub(), Client(None, False, self.socket)
        self.hub.add(self.client)
        self._offset = 0

    async def follow(self, event: dict[str, Any], walk: Walk) -> None:
        """Follow one event through all stages."""
        self._offset += 1
        key = str(event["product_id"]).encode()
        message = FakeMessage("product-events", key, json.dumps(event).encode(), self._offset)
        self.consumer.messages.append(message)
        with traced(walk, "source"):
            (raw,) = self.source.next_batch()
        assert isinstance(raw, RawBatch)
        with traced(walk, "decode"):
            *touched, (_, batch) = self.decoding([raw])
        for _, touch in touched:
            # Once in an epoch, so it is not part of an event's walk.
            self.shard.on_batch([touch])
        with traced(walk, "price and encode"):
            ((rows,), _) = self.lane.on_batch([batch])
        assert all(rows.of_sink)
        with traced(walk, "write"):
            self.sink.write_batch([rows])
        self.client._writes_at_once = True
        ((key, value),) = self.producer.records
        self.producer.records = []
        published = FakeMessage("price-updates", key, value, self._offset)
        with traced(walk, "relay"):
            updates, _ = self.relay._select([published])  # type: ignore[list-item]
        with traced(walk, "fan out"):
            self.hub.publish(updates)
        assert value in self.socket.frames


def walk_of_an_event() -> Walk:
    """The walk of an event of a product that has a price already."""
    walk = Walk()

    async def follow() -> None:
        stages = Stages()
        # Once without noting it, so that nothing is done for the first time.
        await stages.follow(EVENT, Walk())
        await stages.follow(EVENT, walk)

    asyncio.run(follow())
    return walk


def main() -> None:
    """Print the walk, a line for each entry."""
    walk = walk_of_an_event()
    stage = ""
    for step in walk.steps:
        print(f"{step.stage if step.stage != stage else '':20} {step.file}")
        stage = step.stage
    print(f"\n{len(walk.files)} files, {len(walk.steps)} entries, {walk.returns} returns")


if __name__ == "__main__":
    main()
