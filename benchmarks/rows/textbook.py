"""Bytewax as its guides show it: its own Kafka connectors, one item for each event, one key for each product."""

import os
from datetime import timedelta
from math import sqrt

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow

from benchmarks.rows.loop import WEIGHTS, Event, Update

State = tuple[float, int, float | None]

COMMIT_EVERY = timedelta(seconds=1)
_decode, _encode = msgspec.json.Decoder(Event).decode, msgspec.json.Encoder().encode


def price(state: State | None, event: Event) -> tuple[State, Update]:
    """Add an event to the state of its product; returns the new state and the update."""
    demand, version, previous = state or (0.0, 0, None)
    demand += WEIGHTS[event.event_type]
    new = round(event.price + 5 * sqrt(demand), 2)
    update = Update(event.product_id, new, event.timestamp, version + 1, previous, demand)
    return (demand, version + 1, new), update


def decode(message: KafkaSourceMessage[bytes | None, bytes | None]) -> tuple[str, Event]:
    """Decode a message; returns the product's id and the event."""
    event = _decode(message.value or b"")
    return event.product_id, event


def encode(item: tuple[str, Update]) -> KafkaSinkMessage[bytes, bytes]:
    """Encode an update, with the product's id as the key."""
    return KafkaSinkMessage(item[0].encode(), _encode(item[1]))


def make_flow() -> Dataflow:
    """Build the flow from the environment. Prints `ready`."""
    flow = Dataflow("textbook")
    brokers = [os.environ["BROKERS"]]
    # Our consumer has the same option. Without it the consumer waits half a second for more messages.
    read = kop.input(
        "read", flow, brokers=brokers, topics=[os.environ["SOURCE"]], add_config={"fetch.wait.max.ms": "10"}
    )
    events = op.map("decode", read.oks, decode)
    priced = op.stateful_map("price", events, price)
    kop.output("write", op.map("encode", priced, encode), brokers=brokers, topic=os.environ["TARGET"])
    print("ready", flush=True)
    return flow
