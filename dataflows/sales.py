"""The flow of sales: orders, prices and the catalogue in; each order with the price that was in force at its moment
out to SQL, Redis and Kafka.

Run it with `python -m bytewax.run dataflows.sales`. `build` makes the same flow on any sources and sinks."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from clients.kafka_producer import fit_none
from connectors.decode.wire import InputLimits
from connectors.epochs import AlignedSources
from connectors.kafka import Arrived
from connectors.workers import WorkerCount
from core.dead_letter import fit_letter
from core.placement import Placement
from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from dataflows.startup import start_flow
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode_sales import ORDERS, SalesDecoding, SalesKind
from dataflows.steps.encode import Encode, encode_rows, letters_encoder, with_encoders
from dataflows.steps.sell import Moved, OrderStep, SalesStep
from sinks.base.fan_out import FanOut
from sinks.history.sales import TABLES, encode_history
from sinks.kafka.sales import encode_sales
from sinks.kafka.sink import KafkaSink
from sinks.redis.sales import FILLED, REPAIR, SCRIPT, encode_sums
from sinks.redis.sink import RedisSink

ORDERS_STEP, STATE_STEP = "sales.orders", "sales.sales"
"""The ids of the steps that hold shards."""

GROUP = "pricewax-sales"
START_OVER_PER_EXECUTION = 1_000_000
"""A flow that starts over counts its executions from the seconds since 1970 on, above those of all lives before."""


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of results. Each takes `(shard, Outgoing)`. If a sink is None, nothing is encoded for it."""

    sales: FixedPartitionedSink[Any, Any]
    dead_letters: FixedPartitionedSink[Any, Any]
    latest: FixedPartitionedSink[Any, Any] | None = None
    history: FixedPartitionedSink[Any, Any] | None = None

    def with_encoders(self, clock: Clock) -> dict[str, tuple[FixedPartitionedSink[Any, Any], Encode]]:
        """The sinks that there are, by name, each with the function that makes its rows."""
        encoders: dict[str, Encode] = {
            "sales": encode_sales,
            "latest": encode_sums,
            "history": encode_history,
            "dead_letters": letters_encoder(clock),
        }
        return with_encoders(self, encoders)


def build(
    messages: FixedPartitionedSource[Arrived, Any],
    refills: FixedPartitionedSource[tuple[str, RefillRequest], Any],
    sinks: Sinks,
    *,
    kinds: Mapping[str, SalesKind],
    shards: int,
    timeline_days: int,
    limits: InputLimits,
    clock: Clock = wall_clock_ms,
    orders_log: StateLog | None = None,
    state_log: StateLog | None = None,
    execution: int = 0,
) -> Dataflow:
    """The flow on these sources and sinks. It starts nothing.

    kinds: topic to the kind of its messages. shards: of orders and of products, fixed for a recovery store.
    timeline_days: age from which prices are forgotten. clock: processing time. orders_log, state_log: of the shards
    of orders and of products; None if a snapshot of a shard is to hold all of it. execution: a number that grows
    with each execution of the flow, also if it starts over."""
    flow = Dataflow("sales")
    placement = Placement()
    op.input("workers", flow, WorkerCount(placement))
    decoding = SalesDecoding(kinds, shards, placement, limits)
    work = op.input("messages", flow, AlignedSources(messages, through=decoding, refills=refills))
    split = op.branch("split", work, lambda item: item[0].startswith(ORDERS))
    moves = op.stateful_batch("orders", split.trues, partial(OrderStep, shards=shards, state_log=orders_log))
    moved: op.KeyedStream[Any] = op.map("moved", moves, _without_order_shard)
    outputs = sinks.with_encoders(clock)
    step = partial(
        SalesStep,
        timeline_days=timeline_days,
        execution=execution,
        state_log=state_log,
        encode=partial(encode_rows, encoders=[encode for _, encode in outputs.values()]),
    )
    rows = op.stateful_batch("sales", op.merge("changes", split.falses, moved), step)
    destinations = {name: sink for name, (sink, _) in outputs.items()}
    op.output("sinks", rows, FanOut(destinations, placement=placement, alone="history"))
    return flow


def _without_order_shard(item: tuple[str, Moved]) -> Moved:
    return item[1]


def flow() -> Dataflow:
    """The flow with the sources and sinks of the environment's settings. Ends the process with code 2 if a setting
    is not usable."""
    started, _ = start_flow(
        "sales",
        STATE_STEP,
        lambda settings: None,
        topics=lambda settings: settings.sales_topics,
        group=GROUP,
        find_versions=None,
    )
    settings, producer = started.settings, started.producer
    kinds = {
        settings.orders_topic: SalesKind.ORDERS,
        settings.price_updates_topic: SalesKind.PRICES,
        settings.product_catalogue_topic: SalesKind.CATALOGUE,
    }
    return build(
        started.source(kinds),
        started.refills(FILLED, REPAIR),
        Sinks(
            sales=KafkaSink(producer, settings.sales_topic, "sales", fit_none),
            dead_letters=KafkaSink(producer, settings.dead_letters_topic, "dead_letters", fit_letter),
            latest=RedisSink(started.connect_redis, SCRIPT, [], marker=FILLED),
            history=started.history_sink(TABLES, backlog=settings.sales_backlog_topic),
        ),
        kinds=kinds,
        shards=settings.shards,
        timeline_days=settings.sales_timeline_days,
        limits=InputLimits(future_max_ms=settings.future_max_s * 1000),
        orders_log=started.open_log("orders", ORDERS_STEP),
        state_log=started.state_log,
        execution=started.version_base // START_OVER_PER_EXECUTION + started.execution,
    )
