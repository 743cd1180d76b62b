"""The pricing flow: product events, catalogue, overrides and freezes in; prices out to Redis, SQL and Kafka.

Run it with `python -m bytewax.run dataflows.pricing`; `build` makes the same flow on any sources and sinks.
"""

import gc
from collections.abc import Mapping
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import Sink

import telemetry
from connectors.decode import SignalKind
from connectors.kafka import KafkaSource, RawBatch
from connectors.redis_watch import RedisWatch
from connectors.together import Together
from connectors.topics import StoppedError, client_options, ensure_topics, keeps_all_messages
from dataflows.recovery_store import forget_uncommitted, hold_to_shards
from dataflows.shutdown import stop_on_signals
from dataflows.state_log import FOLDER, StateLog, recovery_folder
from dataflows.steps import (
    Clock,
    DecodeLogic,
    PriceLogic,
    dead_letters_of,
    encode,
    history_of,
    latest_of,
    updates_of,
    wall_clock_ms,
)
from pricing.batches import Batch, RefillRequest
from pricing.policy import PricingPolicy
from settings import SettingsError, exit_bad_setting, load_settings
from sinks import redis
from sinks.backlog import Backlog
from sinks.history import HistorySink, prepare_schema
from sinks.history_store import open_writer
from sinks.kafka import KafkaProducer, KafkaSink
from sinks.redis_names import FILLED

log = telemetry.get_logger("pricing")


Work = op.KeyedStream[Batch | RefillRequest]


class Sinks(msgspec.Struct, frozen=True):
    """Where results go. Each takes `(shard, Outgoing)`. What has no sink is not encoded."""

    updates: Sink[Any]
    dead_letters: Sink[Any]
    latest: Sink[Any] | None = None
    history: Sink[Any] | None = None


def _is_request(item: tuple[str, RawBatch | RefillRequest]) -> bool:
    return isinstance(item[1], RefillRequest)


def build(
    messages: FixedPartitionedSource[tuple[str, RawBatch], Any],
    refills: FixedPartitionedSource[tuple[str, RefillRequest], Any],
    sinks: Sinks,
    policy: PricingPolicy,
    kinds: Mapping[str, SignalKind],
    shards: int,
    clock: Clock = wall_clock_ms,
    state_log: StateLog | None = None,
) -> Dataflow:
    """The flow. `kinds` says what each topic carries; `clock` gives UTC milliseconds. Without `state_log`, a
    snapshot of a shard holds all of it."""
    flow = Dataflow("pricing")
    # One input step: two drift apart, and wait for each other.
    arrived = op.input("messages", flow, Together(messages, refills=refills))
    split = op.branch("requests", arrived, _is_request)
    raw, refill = split.falses, split.trues  # (shard of the key, RawBatch), (shard, RefillRequest)
    decoded = op.stateful_batch("decode", raw, lambda _: DecodeLogic(kinds, shards))  # (shard, Decoded)
    bad = op.filter_map("bad_input", decoded, dead_letters_of(clock))  # (shard, Outgoing[Record])
    signals = op.flat_map("key_by_shard", decoded, lambda item: item[1].batches)  # (shard, Batch)
    work: Work = op.merge("work", signals, refill)  # (shard, Batch | RefillRequest)
    price = partial(PriceLogic, policy, clock=clock, state_log=state_log)
    priced = op.stateful_batch("price", work, price)  # (shard, Priced)
    wanted = partial(encode, with_latest=sinks.latest is not None, with_history=sinks.history is not None)
    encoded = op.map("encode", priced, wanted)  # (shard, Encoded)
    op.output("price_updates", op.filter_map("updates", encoded, updates_of), sinks.updates)
    if sinks.latest is not None:
        op.output("redis", op.filter_map("latest", encoded, latest_of), sinks.latest)
    if sinks.history is not None:
        op.output("history", op.filter_map("rows", encoded, history_of), sinks.history)
    op.output("dead_letters", bad, sinks.dead_letters)
    return flow


def flow(*, with_redis: bool = True) -> Dataflow:
    """The flow as the environment configures it. Exits with code 2 where a setting is not usable."""
    try:
        settings = load_settings()
        policy = settings.load_policy()
        if folder := recovery_folder():
            hold_to_shards(folder, settings.shards)
    except SettingsError as error:
        exit_bad_setting(error)
    # State is large and long-lived and has no cycles: looking through it for garbage is work for nothing.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    telemetry.configure_logging(settings.log_level, settings.log_format)
    stop = stop_on_signals()
    port = telemetry.serve_metrics(settings.metrics_host, settings.metrics_port)
    log.info("flow starts", policy_version=policy.version, serving_metrics_on=port, **settings.masked())
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    try:
        partitions = ensure_topics(client, settings.topics, stop)
    except StoppedError:
        raise SystemExit(0) from None
    producer = KafkaProducer(client)
    kinds = {
        settings.product_events_topic: SignalKind.PRODUCT_EVENTS,
        settings.product_catalogue_topic: SignalKind.CATALOGUE,
        settings.price_overrides_topic: SignalKind.OVERRIDES,
        settings.price_freezes_topic: SignalKind.FREEZES,
    }
    if folder:
        forget_uncommitted(folder)
    redis_client = partial(redis.connect, settings.redis_addr, settings.redis_password_text)
    history = None
    if url := settings.history_dsn:
        prepare_schema(partial(open_writer, url), stop)
        backlog = settings.history_backlog_topic
        keeps_all = keeps_all_messages(client, backlog)
        open_backlog = partial(Backlog, producer, client, backlog, partitions[backlog], keeps_all=keeps_all)
        history = HistorySink(partial(open_writer, url), open_backlog)
    else:
        log.warning("neither HISTORY_URL nor ORACLE_DSN is set: no history is kept")
    return build(
        KafkaSource(client, list(kinds), settings.shards, stop, to_all=[settings.price_freezes_topic]),
        RedisWatch(redis_client, FILLED, settings.shards, stop),
        Sinks(
            updates=KafkaSink(producer, settings.price_updates_topic, "price_updates"),
            latest=redis.RedisSink(redis_client) if with_redis else None,
            dead_letters=KafkaSink(producer, settings.dead_letters_topic, "dead_letters"),
            history=history,
        ),
        policy,
        kinds,
        settings.shards,
        state_log=StateLog(folder / FOLDER, writes=settings.state_log == "on") if folder else None,
    )
