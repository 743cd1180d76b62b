"""The recording of a backtest: product events with their quantities, and the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from clients.kafka import ClientOptions, make_consumer
from connectors.decode.pricing import SignalKind, decode
from connectors.decode.wire import InputLimits, RawMessage
from connectors.generators.day import events_of_day
from connectors.generators.invoices import catalogue_of, invoices_of
from connectors.generators.tables import Table
from core.dead_letter import DeadLetter
from pricing.batches import Change, Signal
from pricing.catalogue import CatalogueChange, CatalogueEntry
from pricing.events import ProductEvent

ANY_TIME = InputLimits(future_max_ms=10**15)
"""A recording has the times of its events, and Kafka's time stamps may be those of a copy."""

GROUP = "pricewax-backtest"
TIMEOUT_S = 10.0

_quantity = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event, and the pieces of a purchase; 0 for any other."""

    event: ProductEvent
    quantity: float


class Recording(msgspec.Struct, frozen=True):
    """Events in order of event time, and the newest entry of each product. refused: messages that could not be
    used."""

    events: list[Recorded]
    entries: list[CatalogueEntry]
    refused: int


def record_files(paths: list[Path], views: float, seed: int) -> Recording:
    """The invoices of files as purchases, with `views` views before each sale. Raises ValueError, with the line at
    fault, and OSError."""
    lines = [line for path in paths for line in invoices_of(Table(path))]
    messages = ((key, msgspec.json.encode(event)) for _, key, event in events_of_day(lines, 0, views, seed))
    entries = [(str(row["product_id"]), msgspec.json.encode(row)) for row in catalogue_of(lines)]
    return _record(messages, iter(entries))


def record_topics(client: ClientOptions, events_topic: str, catalogue_topic: str) -> Recording:
    """All that is on the topics now. Raises TimeoutError if Kafka does not answer."""
    return _record(_read(client, events_topic), _read(client, catalogue_topic))


def _record(events: Iterator[tuple[str, bytes | None]], entries: Iterator[tuple[str, bytes | None]]) -> Recording:
    recorded: list[Recorded] = []
    refused = 0
    for key, value in events:
        event = _decode(SignalKind.PRODUCT_EVENTS, key, value)
        if isinstance(event, ProductEvent):
            recorded.append(Recorded(event, _quantity_of(event, value or b"")))
        else:
            refused += 1
    catalogue: dict[str, CatalogueEntry | None] = {}
    for key, value in entries:
        change = _decode(SignalKind.CATALOGUE, key, value)
        if isinstance(change, CatalogueChange):
            catalogue[change.product_id] = change.entry
        else:
            refused += 1
    recorded.sort(key=lambda each: each.event.event_time_ms)
    return Recording(recorded, [entry for entry in catalogue.values() if entry is not None], refused)


def _decode(kind: SignalKind, key: str, value: bytes | None) -> Signal | Change | DeadLetter:
    return decode(kind, RawMessage(0, key.encode(), value, 1_700_000_000_000), "recording", 0, limits=ANY_TIME)


def _quantity_of(event: ProductEvent, value: bytes) -> float:
    if event.event_type != "purchase":
        return 0.0
    raw = _quantity(value).get("quantity")
    return 1.0 if raw is None else float(msgspec.json.decode(raw) or 1)


def _read(client: ClientOptions, topic: str) -> Iterator[tuple[str, bytes | None]]:
    consumer = make_consumer(client, GROUP, {"enable.partition.eof": True})
    try:
        partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        left = set(partitions)
        consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in left])
        while left:
            messages = consumer.consume(5_000, TIMEOUT_S)
            if not messages:
                raise TimeoutError(f"Kafka gives no messages of {topic}")
            for message in messages:
                if (error := message.error()) is None:
                    yield (message.key() or b"").decode(errors="replace"), message.value()
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition() or 0)
    finally:
        consumer.close()
