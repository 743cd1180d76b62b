"""The pricing flow: product events, catalogue and commands in; prices out to Redis, SQL and Kafka.

Run it with `python -m bytewax.run dataflows.pricing`. `build` makes the same flow on any sources and sinks.
"""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink

import telemetry
from connectors.decode.pricing import SignalKind
from connectors.decode.signals import ProductSignalKind
from connectors.decode.wire import DEFAULT_LIMITS, InputLimits
from connectors.epochs import AlignedSources
from connectors.kafka import Arrived
from connectors.shared_consumer import GROUP
from connectors.workers import WorkerCount
from core.dead_letter import fit_letter
from core.money import DIGITS
from core.placement import Placement
from core.timestamps import DAY_MS
from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from dataflows.startup import start_flow
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode import Decoding
from dataflows.steps.encode import Encode, encode_rows, letters_encoder, with_encoders
from dataflows.steps.price import PricingStep, Work
from dataflows.steps.room import CountedRoom, product_room
from dataflows.workers import PerWorker
from pricing.policy import PricingPolicy, encode_policy
from pricing.state.lane import Lane
from settings import Settings
from sinks.base.fan_out import FanOut
from sinks.history.pricing import TABLES, encode_history
from sinks.kafka.pricing import encode_commands, encode_updates, fit_update
from sinks.kafka.sink import CommandSink, KafkaSink
from sinks.redis.keys import FILLED, REPAIR
from sinks.redis.pricing import SCRIPT, encode_latest
from sinks.redis.sink import RedisSink
from sinks.redis.versions import find_versions

log = telemetry.get_logger("pricing")

STATE_STEP = "pricing.price"
"""The id of the step that holds the shards."""


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of results. Each takes `(shard or lane, Outgoing)`. If a sink is None, nothing is encoded
    for it."""

    updates: FixedPartitionedSink[Any, Any]
    dead_letters: FixedPartitionedSink[Any, Any]
    latest: FixedPartitionedSink[Any, Any] | None = None
    history: FixedPartitionedSink[Any, Any] | None = None
    overrides: FixedPartitionedSink[Any, Any] | None = None

    def with_encoders(self, clock: Clock) -> dict[str, tuple[FixedPartitionedSink[Any, Any], Encode]]:
        """The sinks that there are, by name, each with the function that makes its rows."""
        encoders: dict[str, Encode] = {
            "updates": encode_updates,
            "latest": encode_latest,
            "history": encode_history,
            "overrides": encode_commands,
            "dead_letters": letters_encoder(clock),
        }
        return with_encoders(self, encoders)


def build(
    messages: FixedPartitionedSource[Arrived, Any],
    refills: FixedPartitionedSource[tuple[str, RefillRequest], Any],
    sinks: Sinks,
    *,
    policy: PricingPolicy,
    kinds: Mapping[str, SignalKind | ProductSignalKind],
    shards: int,
    limits: InputLimits = DEFAULT_LIMITS,
    clock: Clock = wall_clock_ms,
    state_log: StateLog | None = None,
    version_base: int = 0,
    execution: int = 0,
    room: CountedRoom | None = None,
    ttl_ms: int = 0,
) -> Dataflow:
    """The flow on these sources and sinks. It starts nothing.

    kinds: topic to the kind of its signals. shards: number of shards, fixed for a recovery store. limits: of input.
    clock: processing time. state_log: None if a snapshot of a shard is to hold all of it. version_base: the version
    of a product before its first change; 0, unless the flow has started over. execution, room, ttl_ms: as in
    `PricingStep`."""
    flow = Dataflow("pricing")
    placement = Placement()
    op.input("workers", flow, WorkerCount(placement))
    # One input step, because two drift apart and then wait for each other (connectors/epochs.py).
    decoding = Decoding(kinds, shards, placement, limits)
    # (shard or lane, Work)
    work: op.KeyedStream[Work] = op.input(
        "messages", flow, AlignedSources(messages, through=decoding, refills=refills)
    )
    room = room or product_room(sys.maxsize)
    outputs = sinks.with_encoders(clock)
    encoders = [encode for _, encode in outputs.values()]
    price = partial(
        PricingStep,
        policy,
        lanes=PerWorker(partial(Lane, policy, room)),
        clock=clock,
        state_log=state_log,
        version_base=version_base,
        execution=execution,
        room=room,
        ttl_ms=ttl_ms,
        encode=partial(encode_rows, encoders=encoders),
    )
    rows = op.stateful_batch("price", work, price)  # (shard or lane, Rows)
    destinations = {name: sink for name, (sink, _) in outputs.items()}
    # The step has the name of the sink whose state is in the recovery folders of earlier versions.
    op.output("history", rows, FanOut(destinations, placement=placement, alone="history"))
    return flow


def flow(*, with_redis: bool = True) -> Dataflow:
    """The flow with the sources and sinks of the environment's settings. Ends the process with code 2 if a setting
    is not usable. with_redis: false for a flow without the Redis sink."""
    started, policy = start_flow(
        "pricing",
        STATE_STEP,
        Settings.load_policy,
        topics=lambda settings: settings.topics,
        group=GROUP,
        find_versions=find_versions if with_redis else None,
    )
    settings, producer = started.settings, started.producer
    log.info("policy in force", version=policy.version, currency=policy.currency)
    telemetry.POLICY.labels(policy.version, policy.currency, encode_policy(policy)).set(1)
    kinds: dict[str, SignalKind | ProductSignalKind] = {
        settings.product_events_topic: SignalKind.PRODUCT_EVENTS,
        settings.product_catalogue_topic: SignalKind.CATALOGUE,
        settings.price_overrides_topic: SignalKind.OVERRIDES,
        settings.price_freezes_topic: SignalKind.FREEZES,
        settings.product_corrections_topic: SignalKind.CORRECTIONS,
        settings.web_clicks_topic: ProductSignalKind.CLICKS,
        settings.competitor_prices_topic: ProductSignalKind.COMPETITORS,
        settings.purchases_topic: ProductSignalKind.PURCHASES,
        settings.restocks_topic: ProductSignalKind.RESTOCKS,
        settings.demand_forecasts_topic: ProductSignalKind.FORECASTS,
        settings.supply_topic: ProductSignalKind.SUPPLY,
        settings.external_events_topic: SignalKind.EXTERNAL_EVENTS,
    }
    return build(
        started.source(kinds),
        started.refills(FILLED, REPAIR),
        Sinks(
            updates=KafkaSink(producer, settings.price_updates_topic, "price_updates", fit_update),
            latest=RedisSink(started.connect_redis, SCRIPT, [f"%.{DIGITS[policy.scale]}f"]) if with_redis else None,
            dead_letters=KafkaSink(producer, settings.dead_letters_topic, "dead_letters", fit_letter),
            history=started.history_sink(
                TABLES, decimals=DIGITS[policy.scale], backlog=settings.history_backlog_topic
            ),
            overrides=CommandSink(producer, settings.price_overrides_topic, "price_overrides"),
        ),
        policy=policy,
        kinds=kinds,
        shards=settings.shards,
        limits=InputLimits(settings.future_max_s * 1000, policy.scale),
        state_log=started.state_log,
        version_base=started.version_base,
        execution=started.execution,
        room=product_room(settings.products_max),
        ttl_ms=settings.product_ttl_days * DAY_MS,
    )
