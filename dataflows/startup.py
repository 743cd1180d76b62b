"""The start of a flow: the steps that each flow needs before it runs, in the required order."""

import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from redis import Redis, RedisError

import telemetry
from clients import redis
from clients.kafka import ClientOptions, client_options
from clients.kafka_offsets import count_committed
from clients.kafka_producer import KafkaProducer
from clients.kafka_topics import ensure_topics, keeps_all_messages, message_limits, warn_of_losses
from clients.kafka_watch import TopicWatch
from connectors.kafka import KafkaSource
from connectors.redis_watch import RedisWatch
from core.errors import SettingsError, StartRefusedError, StoppedError, describe_error
from dataflows.clock_watch import watch_clock
from dataflows.recovery.epochs import count_executions, forget_uncommitted, stores_of
from dataflows.recovery.fence import Fence, Member, cluster_member
from dataflows.recovery.life import Traces, choose_version_base, find_version_base, note_version_base
from dataflows.recovery.shards import hold_to_shards
from dataflows.recovery.state_log import FOLDER, StateLog, recovery_folder
from dataflows.recovery.sweep import delete_unnamed
from dataflows.shutdown import stop_on_signals
from settings import Settings, exit_bad_setting, load_settings
from sinks.history.backlog import Backlog
from sinks.history.databases import open_writer
from sinks.history.schema import prepare_schema
from sinks.history.sink import HistorySink
from sinks.history.tables import Table, with_decimals
from sinks.redis.sink import Connect

Loaded = TypeVar("Loaded")

FindVersions = Callable[["Redis"], tuple[int, int]]
"""A function that gives the number of keys with a version in Redis, and the highest version. Raises RedisError."""


class Process(msgspec.Struct, frozen=True):
    """The process of a flow. stop: set when the flow is asked to stop. folder: the recovery folder. member: of a
    cluster. fence: None without a folder."""

    settings: Settings
    stop: threading.Event
    folder: Path | None
    member: Member | None
    fence: Fence | None


class KafkaParts(msgspec.Struct, frozen=True):
    """The parts of a flow that use Kafka. partitions: topic to its number of partitions. watch: over all topics.
    producer: shared by all sinks."""

    client: ClientOptions
    partitions: dict[str, int]
    watch: TopicWatch
    producer: KafkaProducer


class Started(msgspec.Struct, frozen=True):
    """The parts from which a flow makes its sources and sinks.

    The fields that `Process` and `KafkaParts` have mean the same. state_log: None without a recovery folder.
    version_base: the version of a product before its first change. execution: of `PricingStep`."""

    settings: Settings
    stop: threading.Event
    client: ClientOptions
    partitions: dict[str, int]
    watch: TopicWatch
    producer: KafkaProducer
    fence: Fence | None
    state_log: StateLog | None
    version_base: int
    execution: int
    group: str
    folder: Path | None = None

    def source(self, topics: Iterable[str]) -> KafkaSource:
        """The source of the flow's messages."""
        return KafkaSource(
            self.client,
            list(topics),
            self.settings.shards,
            self.stop,
            watch=self.watch,
            group=self.group,
            on_build=self._note_running,
        )

    def refills(self, marker: str, repair: str) -> RedisWatch:
        """The source of requests to fill Redis again. marker, repair: as in `RedisWatch`."""
        return RedisWatch(self.connect_redis, self.settings.shards, self.stop, marker=marker, repair=repair)

    def open_log(self, name: str, step: str) -> StateLog | None:
        """The state log of a further step that holds shards. name: of its folder. None without a recovery folder.
        Call it before Bytewax starts."""
        if self.folder is None:
            return None
        folder = self.folder / name
        holders = delete_unnamed(self.folder, folder, step)
        return StateLog(folder, writes=self.settings.state_log == "on", holders=holders)

    @property
    def connect_redis(self) -> Connect:
        """A function that makes a Redis client for one thread, not connected yet."""
        return partial(redis.connect, self.settings.redis)

    def history_sink(self, tables: tuple[Table, ...], *, decimals: int = 0, backlog: str) -> HistorySink | None:
        """The sink of the history database. decimals: of the currency. backlog: the topic of rows that wait. None,
        with a warning, if no database is configured. Starts the thread that prepares the schema."""
        url = self.settings.history_dsn
        if url is None:
            log = telemetry.get_logger("history")
            log.warning("neither HISTORY_URL nor ORACLE_DSN is set: no history is kept")
            return None
        connect = partial(open_writer, url, with_decimals(tables, decimals), self.settings.history_schema)
        prepare_schema(connect, self.stop)
        keeps_all = keeps_all_messages(self.client, backlog)

        def current_id() -> str | None:
            facts = self.watch.facts.get(backlog)
            return facts.topic_id if facts is not None and not facts.problem else None

        def open_backlog(
            sink_partition: str, offset: int | None, partition: int | None, topic_id: str | None
        ) -> Backlog:
            return Backlog(
                self.producer,
                self.client,
                topic=backlog,
                partitions=self.partitions[backlog],
                sink_partition=sink_partition,
                offset=offset,
                partition=partition,
                topic_id=topic_id,
                current_id=current_id,
                keeps_all=keeps_all,
            )

        return HistorySink(connect, open_backlog)

    def _note_running(self) -> None:
        """Call it when Bytewax builds the flow: a cluster has come together by then."""
        if self.fence is not None:
            self.fence.note_running()


@contextmanager
def ending_the_start() -> Iterator[None]:
    """End the process if its block finds that the flow must not start (code 2), or is asked to stop (code 0)."""
    try:
        yield
    except (SettingsError, StartRefusedError) as error:
        exit_bad_setting(error)
    except StoppedError:
        raise SystemExit(0) from None


def start_process(
    name: str, load: Callable[[Settings], Loaded], hold: Callable[[Settings, Path], None]
) -> tuple[Process, Loaded]:
    """Prepare the process for a flow: settings, signals, the recovery folder, metrics. name, load: as in
    `start_flow`. hold: checks the folder; may raise SettingsError. Ends the process as `ending_the_start` does."""
    with ending_the_start():
        settings = load_settings()
        loaded = load(settings)
    telemetry.configure_logging(settings.log_level, settings.log_format)
    # Before any thread is started, so that all threads block the signals.
    stop = stop_on_signals()
    watch_clock(stop)
    folder, member, fence = recovery_folder(), cluster_member(), None
    with ending_the_start():
        if folder:
            # Before all steps that read or change the folder.
            fence = Fence(folder, member)
            fence.hold(stop)
            hold(settings, folder)
            if member is None and not stores_of(folder):
                raise StartRefusedError(
                    f"the recovery folder {folder} has no store; make one: python -m bytewax.recovery {folder} 4"
                )
    _tune_collector()
    telemetry.export_only("flow")
    port = telemetry.serve_metrics(settings.metrics_host, settings.metrics_port)
    telemetry.get_logger(name).info("flow starts", serving_metrics_on=port, **settings.masked())
    return Process(settings, stop, folder, member, fence), loaded


def start_kafka(process: Process, topics: dict[str, dict[str, str]]) -> KafkaParts:
    """Make the topics that are missing. Waits for Kafka without a time limit. topics: with their configuration.
    Raises StoppedError and StartRefusedError."""
    client = client_options(process.settings.kafka_brokers, process.settings.kafka_client_options)
    # Before Bytewax starts: topics cannot be made inside it.
    partitions = ensure_topics(client, topics, process.stop)
    limits = message_limits(client, list(topics))
    warn_of_losses(client, topics)
    watch = TopicWatch(client, topics)
    watch.start(process.stop)
    return KafkaParts(client, partitions, watch, KafkaProducer(client, limits))


def start_flow(
    name: str,
    state_step: str,
    load: Callable[[Settings], Loaded],
    *,
    topics: Callable[[Settings], dict[str, dict[str, str]]],
    group: str,
    find_versions: FindVersions | None,
) -> tuple[Started, Loaded]:
    """Prepare the process for a flow: settings, signals, recovery, metrics, topics. Waits for Kafka without a time
    limit. Ends the process with code 2 if a setting is not usable, or if the flow must not start.

    name: in log lines. state_step: the id of the step that holds the shards. load: reads the flow's own input from
    the settings, such as a policy; it may raise SettingsError. Its result is returned too. topics: of the flow,
    with their configuration. group: the consumer group to which the flow commits offsets. find_versions: see
    `FindVersions`; None for a flow without Redis."""

    def hold(settings: Settings, folder: Path) -> None:
        # A folder of another number of shards must not change.
        hold_to_shards(folder, settings.shards, state_step)

    process, loaded = start_process(name, load, hold)
    settings, folder = process.settings, process.folder
    with ending_the_start():
        kafka = start_kafka(process, topics(settings))
        version_base = find_version_base(stores_of(folder))
        if version_base is None and process.member is not None and folder and not stores_of(folder):
            # The whole store is in the folders of other processes, which look for traces.
            version_base = 0
        if version_base is None:
            committed = count_committed(kafka.client, group, kafka.partitions, process.stop)
            version_base = _begin(settings, folder, sum(committed.values()), find_versions)
    state_log = None
    if folder:
        # Before Bytewax reads its store.
        forget_uncommitted(folder)
        holders = delete_unnamed(folder, folder / FOLDER, state_step)
        state_log = StateLog(folder / FOLDER, writes=settings.state_log == "on", holders=holders)
    execution = count_executions(folder) if folder else 0
    started = Started(
        settings=settings,
        stop=process.stop,
        client=kafka.client,
        partitions=kafka.partitions,
        watch=kafka.watch,
        producer=kafka.producer,
        fence=process.fence,
        state_log=state_log,
        version_base=version_base,
        execution=execution,
        group=group,
        folder=folder,
    )
    return started, loaded


def _begin(settings: Settings, folder: Path | None, messages: int, find_versions: FindVersions | None) -> int:
    """The version base of a flow without state. Raises StartRefusedError if it has had an earlier life."""
    products = highest = 0
    if find_versions is not None:
        try:
            with redis.connect(settings.redis) as client:
                products, highest = find_versions(client)
        except RedisError as error:
            log = telemetry.get_logger("recovery")
            log.warning("it is not known if Redis holds prices of an earlier life", error=describe_error(error))
    base = choose_version_base(
        Traces(messages, products, highest),
        start_over=settings.start_over == "yes",
        place=f"the recovery folder {folder}" if folder else "a flow without a recovery folder",
    )
    return note_version_base(stores_of(folder), base)


def _tune_collector() -> None:
    """Make garbage collection rare. State is large, long-lived and without cycles, so a search finds nothing."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
