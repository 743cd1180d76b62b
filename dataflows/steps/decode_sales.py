"""The decoding step of sales: messages of a poll to changes, each for the shard that owns its order or its product,
and to dead letters."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from connectors.decode.pricing import SignalKind, decode
from connectors.decode.sales import decode_order, decode_price
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits
from connectors.kafka import CaughtUp, RawBatch
from core.dead_letter import DeadLetter
from core.placement import Placement
from core.shards import shard_of
from core.work import RefillRequest, Refused
from dataflows.steps.lanes import RoutedDecoding
from pricing.catalogue import CatalogueChange
from sales.changes import Change, Entry, Price
from sales.orders import OrderChange
from sales.prices import to_units

ORDERS = "orders-"
"""Begins the keys of shards of orders. A shard of products has its number as its key."""


class SalesKind(StrEnum):
    """The kind of message that a topic carries."""

    ORDERS = "orders"
    PRICES = "prices"
    CATALOGUE = "catalogue"


class OrderBatch(msgspec.Struct, array_like=True, gc=False):
    """Changes of orders, of one shard. kafka_time_ms: Kafka's time stamp of the first message."""

    changes: list[OrderChange]
    kafka_time_ms: int


class ProductBatch(msgspec.Struct, array_like=True, gc=False):
    """Changes of products, of one shard. kafka_time_ms: as in `OrderBatch`."""

    changes: list[Change]
    kafka_time_ms: int


Routed = tuple[str, OrderBatch | ProductBatch | Refused | RefillRequest | CaughtUp]
"""Key of a shard, and an input of its step."""


class SalesDecoding(RoutedDecoding[Routed]):
    """`RawBatch` in, `Routed` out; what is routed already stays as it is. kinds: topic to the kind of its messages.
    limits: of input, from the settings."""

    def __init__(
        self,
        kinds: Mapping[str, SalesKind],
        shards: int,
        placement: Placement,
        limits: InputLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(kinds, shards, placement)
        self._kinds = kinds
        self._limits = limits

    def _decode(self, topic: str, batch: RawBatch, letters: list[DeadLetter], routed: list[Routed]) -> None:
        kind = self._kinds[topic]
        time_ms = batch.kafka_times_ms[0]
        orders: dict[int, OrderBatch] = {}
        products: dict[int, ProductBatch] = {}
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            if kind is SalesKind.ORDERS:
                order = decode_order(raw, batch.topic, partition, limits=self._limits)
                if isinstance(order, OrderChange):
                    shard = shard_of(order.order_id.encode(), self._shards)
                    orders.setdefault(shard, OrderBatch([], time_ms)).changes.append(order)
                elif order is not None:
                    letters.append(order)
                continue
            found: Price | Entry | DeadLetter
            if kind is SalesKind.PRICES:
                found = decode_price(raw, batch.topic, partition)
            else:
                found = _entry_of(decode(SignalKind.CATALOGUE, raw, batch.topic, partition, limits=self._limits))
            if isinstance(found, DeadLetter):
                # The pricing flow has made a letter of a bad entry of the catalogue.
                letters += [found] if kind is SalesKind.PRICES else []
                continue
            shard = shard_of(found.product_id.encode(), self._shards)
            products.setdefault(shard, ProductBatch([], time_ms)).changes.append(found)
        routed += [(f"{ORDERS}{shard}", each) for shard, each in orders.items()]
        routed += [(self._routing.name(shard), each) for shard, each in products.items()]


def _entry_of(change: object) -> Entry | DeadLetter:
    if isinstance(change, DeadLetter):
        return change
    assert isinstance(change, CatalogueChange)
    entry = change.entry
    if entry is None:
        return Entry(change.product_id, None, "", None, change.lsn)
    cost = None if entry.unit_cost is None else to_units(entry.unit_cost)
    return Entry(change.product_id, entry.name, entry.category, cost, change.lsn)
