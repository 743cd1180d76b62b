"""The flow of forecasts: events, supply and the catalogue in; features and forecasts of each product out to Redis,
SQL and Kafka.

Run it with `python -m bytewax.run dataflows.forecasting`, in one process with one worker: features look at the
whole shop. `build` makes the same flow on any sources and sinks."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

from clients.kafka_producer import fit_none
from connectors.decode.forecasting import DemandKind
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits
from connectors.epochs import AlignedSources
from connectors.kafka import Arrived
from connectors.workers import WorkerCount
from core.dead_letter import fit_letter
from core.placement import Placement
from core.room import UNBOUNDED, Room
from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from dataflows.startup import start_flow
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode_demand import DemandDecoding
from dataflows.steps.encode import Encode, encode_rows, letters_encoder, with_encoders
from dataflows.steps.room import forecast_room
from dataflows.workers import PerWorker
from sinks.base.fan_out import FanOut
from sinks.history.forecasting import encode_history, forecast_tables
from sinks.kafka.forecasting import encode_forecasts
from sinks.kafka.sink import KafkaSink
from sinks.redis.forecasting import ARGUMENTS, FILLED, REPAIR, SCRIPT, encode_latest
from sinks.redis.sink import RedisSink

STATE_STEP = "forecasting.forecast"
"""The id of the step that holds the shards."""

GROUP = "pricewax-forecasting"


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of results. Each takes `(shard, Outgoing)`. If a sink is None, nothing is encoded for it."""

    forecasts: FixedPartitionedSink[Any, Any]
    dead_letters: FixedPartitionedSink[Any, Any]
    latest: FixedPartitionedSink[Any, Any] | None = None
    history: FixedPartitionedSink[Any, Any] | None = None

    def with_encoders(self, clock: Clock) -> dict[str, tuple[FixedPartitionedSink[Any, Any], Encode]]:
        """The sinks that there are, by name, each with the function that makes its rows."""
        encoders: dict[str, Encode] = {
            "forecasts": encode_forecasts,
            "latest": encode_latest,
            "history": encode_history,
            "dead_letters": letters_encoder(clock),
        }
        return with_encoders(self, encoders)


def build(
    messages: FixedPartitionedSource[Arrived, Any],
    refills: FixedPartitionedSource[tuple[str, RefillRequest], Any],
    sinks: Sinks,
    *,
    kinds: Mapping[str, DemandKind],
    models: Any,
    shards: int,
    limits: InputLimits = DEFAULT_LIMITS,
    clock: Clock = wall_clock_ms,
    room: Room = UNBOUNDED,
    state_log: StateLog | None = None,
) -> Dataflow:
    """The flow on these sources and sinks. It starts nothing.

    kinds: topic to the kind of its messages. models: as in `Rounds`. shards: fixed for a recovery store. clock:
    processing time. room: for products. state_log: None if a snapshot of a shard is to hold all of it."""
    # The step imports numpy, whose threads must block the signals of the process (dataflows/startup.py).
    from dataflows.steps.forecast import ForecastStep
    from forecasting.state.shard import Lane

    flow = Dataflow("forecasting")
    placement = Placement()
    op.input("workers", flow, WorkerCount(placement))
    decoding = DemandDecoding(kinds, shards, placement, limits)
    work: op.KeyedStream[Any] = op.input(
        "messages", flow, AlignedSources(messages, through=decoding, refills=refills)
    )
    outputs = sinks.with_encoders(clock)
    step = partial(
        ForecastStep,
        models=models,
        lanes=PerWorker(partial(Lane, room)),
        placement=placement,
        shards=shards,
        clock=clock,
        state_log=state_log,
        encode=partial(encode_rows, encoders=[encode for _, encode in outputs.values()]),
    )
    rows = op.stateful_batch("forecast", work, step)  # (shard, Rows)
    destinations = {name: sink for name, (sink, _) in outputs.items()}
    op.output("sinks", rows, FanOut(destinations, placement=placement, alone="history"))
    return flow


def flow() -> Dataflow:
    """The flow with the sources and sinks of the environment's settings. Ends the process with code 2 if a setting
    is not usable."""
    started, _ = start_flow(
        "forecasting",
        STATE_STEP,
        lambda settings: None,
        topics=lambda settings: settings.forecasting_topics,
        group=GROUP,
        find_versions=None,
    )
    from forecasting.registry.registry import Registry
    from forecasting.serving.watch import ModelWatch

    settings, producer = started.settings, started.producer
    kinds = {
        settings.product_events_topic: DemandKind.PRODUCT_EVENTS,
        settings.demand_events_topic: DemandKind.DEMAND_EVENTS,
        settings.supply_topic: DemandKind.SUPPLY,
        settings.product_catalogue_topic: DemandKind.CATALOGUE,
        settings.pricing_decisions_topic: DemandKind.DECISIONS,
    }
    dsn = settings.history_dsn
    models = ModelWatch(Registry(dsn, settings.history_schema) if dsn else None, settings.forecast_model)
    models.start(started.stop)
    return build(
        started.source(kinds),
        started.refills(FILLED, REPAIR),
        Sinks(
            forecasts=KafkaSink(producer, settings.demand_forecasts_topic, "demand_forecasts", fit_none),
            dead_letters=KafkaSink(producer, settings.dead_letters_topic, "dead_letters", fit_letter),
            latest=RedisSink(started.connect_redis, SCRIPT, ARGUMENTS, marker=FILLED),
            history=started.history_sink(
                forecast_tables(settings.forecast_retention_days), backlog=settings.forecast_backlog_topic
            ),
        ),
        kinds=kinds,
        models=models,
        shards=settings.shards,
        limits=InputLimits(settings.future_max_s * 1000),
        room=forecast_room(settings.products_max),
        state_log=started.state_log,
    )
