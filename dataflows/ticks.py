"""The market's flow: ticks and alert rules in; ticks with averages, bars and alerts out to Redis, SQL and Kafka.

Run it with `python -m bytewax.run dataflows.ticks`. `build` makes the same flow on any sources and sinks.
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
from clients.kafka_producer import fit_none
from connectors.decode.market import TickKind
from connectors.epochs import AlignedSources
from connectors.kafka import Arrived
from connectors.workers import WorkerCount
from core.dead_letter import fit_letter
from core.placement import Placement
from core.work import RefillRequest
from dataflows.recovery.state_log import StateLog
from dataflows.startup import start_flow
from dataflows.steps.clock import Clock, wall_clock_ms
from dataflows.steps.decode_ticks import TickDecoding
from dataflows.steps.encode import Encode, encode_rows, letters_encoder, with_encoders
from dataflows.steps.room import CountedRoom, symbol_room
from dataflows.steps.tick import TickStep, TickWork
from dataflows.workers import PerWorker
from market.bars import VERSIONS_APART
from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.state.lane import Lane
from market.state.symbol import Limits
from settings import Settings
from sinks.base.fan_out import FanOut
from sinks.history.market import encode_history, market_tables
from sinks.kafka.market import encode_alerts, encode_bars, encode_deliveries, encode_ticks
from sinks.kafka.sink import KafkaSink
from sinks.redis.market import FILLED, REPAIR, SCRIPT, encode_latest
from sinks.redis.sink import RedisSink
from sinks.redis.versions import find_sequences

log = telemetry.get_logger("ticks")

STATE_STEP = "ticks.apply"
"""The id of the step that holds the shards."""

GROUP = "pricewax-market"


class Sinks(msgspec.Struct, frozen=True):
    """The destinations of results. Each takes `(shard or lane, Outgoing)`. If a sink is None, nothing is encoded
    for it."""

    ticks: FixedPartitionedSink[Any, Any]
    bars: FixedPartitionedSink[Any, Any]
    alerts: FixedPartitionedSink[Any, Any]
    deliveries: FixedPartitionedSink[Any, Any]
    dead_letters: FixedPartitionedSink[Any, Any]
    latest: FixedPartitionedSink[Any, Any] | None = None
    history: FixedPartitionedSink[Any, Any] | None = None

    def with_encoders(
        self, clock: Clock, execution: int
    ) -> dict[str, tuple[FixedPartitionedSink[Any, Any], Encode]]:
        """The sinks that there are, by name, each with the function that makes its rows."""
        encoders: dict[str, Encode] = {
            "ticks": encode_ticks,
            "bars": encode_bars,
            "latest": partial(encode_latest, execution=execution),
            "history": partial(encode_history, execution=execution),
            "alerts": encode_alerts,
            "deliveries": encode_deliveries,
            "dead_letters": letters_encoder(clock),
        }
        return with_encoders(self, encoders)


def build(
    messages: FixedPartitionedSource[Arrived, Any],
    refills: FixedPartitionedSource[tuple[str, RefillRequest], Any],
    sinks: Sinks,
    *,
    policy: MarketPolicy,
    kinds: Mapping[str, TickKind | None],
    shards: int,
    limits: Limits,
    room: CountedRoom | None = None,
    clock: Clock = wall_clock_ms,
    state_log: StateLog | None = None,
    execution: int = 0,
) -> Dataflow:
    """The flow on these sources and sinks. It starts nothing.

    kinds: topic to the kind of its ticks, None for the topic of rules. shards: number of shards, fixed for a
    recovery store. room: for symbols, shared by all workers of the process. clock: processing time. state_log: None
    if a snapshot of a shard is to hold all of it. execution: a number that grows with each execution of the flow,
    also if it starts over."""
    flow = Dataflow("ticks")
    placement = Placement()
    op.input("workers", flow, WorkerCount(placement))
    decoding = TickDecoding(kinds, shards, placement)
    # (shard or lane, TickWork)
    work: op.KeyedStream[TickWork] = op.input(
        "messages", flow, AlignedSources(messages, through=decoding, refills=refills)
    )
    room = room or symbol_room(sys.maxsize)
    outputs = sinks.with_encoders(clock, execution)
    step = partial(
        TickStep,
        policy,
        limits=limits,
        lanes=PerWorker(partial(Lane, watches_silence=policy.silence.silence_s is not None, room=room)),
        clock=clock,
        room=room,
        state_log=state_log,
        encode=partial(encode_rows, encoders=[encode for _, encode in outputs.values()]),
    )
    rows = op.stateful_batch("apply", work, step)  # (shard or lane, Rows)
    destinations = {name: sink for name, (sink, _) in outputs.items()}
    op.output("sinks", rows, FanOut(destinations, placement=placement, alone="history"))
    return flow


def flow() -> Dataflow:
    """The flow with the sources and sinks of the environment's settings. Ends the process with code 2 if a setting
    is not usable."""
    started, policy = start_flow(
        "ticks",
        STATE_STEP,
        Settings.load_market_policy,
        topics=lambda settings: settings.market_topics,
        group=GROUP,
        find_versions=find_sequences,
    )
    settings, producer = started.settings, started.producer
    kinds = {
        settings.price_ticks_topic: TickKind.PRICE_TICKS,
        settings.stock_prices_topic: TickKind.STOCK_PRICES,
        settings.market_rules_topic: None,
    }
    base, execution = started.version_base, started.execution
    return build(
        started.source(kinds),
        started.refills(FILLED, REPAIR),
        Sinks(
            ticks=KafkaSink(producer, settings.ticks_enriched_topic, "ticks_enriched", fit_none),
            bars=KafkaSink(producer, settings.price_bars_topic, "price_bars", fit_none),
            alerts=KafkaSink(producer, settings.market_alerts_topic, "market_alerts", fit_none),
            deliveries=KafkaSink(producer, settings.webhook_deliveries_topic, "webhook_deliveries", fit_none),
            dead_letters=KafkaSink(producer, settings.dead_letters_topic, "dead_letters", fit_letter),
            latest=RedisSink(
                started.connect_redis, SCRIPT, [str(settings.market_history)], keeps=True, marker=FILLED
            ),
            history=started.history_sink(
                market_tables(settings.market_retention_days), backlog=settings.market_backlog_topic
            ),
        ),
        policy=policy,
        kinds=kinds,
        shards=settings.shards,
        limits=Limits(
            settings.market_lateness_s * SECOND_US,
            settings.market_history,
            base + execution * VERSIONS_APART,
            base,
        ),
        room=symbol_room(settings.market_symbols_max),
        state_log=started.state_log,
        execution=base + execution,
    )
