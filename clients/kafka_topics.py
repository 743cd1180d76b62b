"""Kafka topics: made where they are missing, by whichever process starts first."""

import threading
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # it is exported
from confluent_kafka.cimpl import NewTopic

import telemetry
from clients.kafka import ClientOptions, make_admin, make_producer
from clients.throttle import Throttle
from core.errors import StoppedError

PARTITIONS = 4
METADATA_TIMEOUT_S = 5.0

# How librdkafka's built-in cluster (our embedded broker) names itself. It does not answer CreateTopics; it
# makes a topic when a producer asks for it.
_EMBEDDED = "mockCluster"
_PASSING = (
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_CONTROLLER,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)

log = telemetry.get_logger("kafka")


def ensure_topics(
    client: ClientOptions, topics: Mapping[str, Mapping[str, str]], stop: threading.Event
) -> dict[str, int]:
    """Make the topics that are missing, each with its configuration; topic to its number of partitions. Waits
    for Kafka as long as it takes. Raises StoppedError where `stop` is set meanwhile, KafkaException for what
    waiting does not mend.

    Not to be called from inside Bytewax: see `make_admin`.
    """

    def make() -> dict[str, int]:
        admin = make_admin(client)
        cluster = admin.list_topics(timeout=METADATA_TIMEOUT_S)
        missing = [topic for topic in topics if topic not in cluster.topics]
        if missing and _is_embedded(cluster.cluster_id):
            producer = make_producer(client)
            for topic in missing:
                producer.list_topics(topic, timeout=METADATA_TIMEOUT_S)
        elif missing:
            _create(admin, {topic: topics[topic] for topic in missing})
        return _count(admin, list(topics))

    return _patiently(client, make, stop)


def keeps_all_messages(client: ClientOptions, topic: str) -> bool:
    """Whether a topic keeps its messages until somebody deletes them. False where Kafka does not say.

    Not to be called from inside Bytewax, as `ensure_topics`."""
    admin = make_admin(client)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        if _is_embedded(admin.list_topics(topic, timeout=METADATA_TIMEOUT_S).cluster_id):
            return False
        (described,) = admin.describe_configs([resource], request_timeout=METADATA_TIMEOUT_S).values()
        entries = described.result()
    except KafkaException as error:
        log.warning("whether the topic keeps its messages is not known", topic=topic, error=error.args[0].str())
        return False
    # What is not said is as Kafka has it where nobody sets it.
    usual = {"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}
    kept = {name: entries[name].value if name in entries else usual[name] for name in usual}
    if kept == {**usual, "retention.ms": "-1"}:
        return True
    log.warning("the topic drops messages that were not read in time", topic=topic, **kept)
    return False


def count_partitions(client: ClientOptions, topics: list[str], stop: threading.Event) -> dict[str, int]:
    """Topic to its number of partitions. Waits and raises like `ensure_topics`."""
    return _patiently(client, lambda: _count(make_admin(client), topics), stop)


def _is_embedded(cluster_id: str | None) -> bool:
    return (cluster_id or "").startswith(_EMBEDDED)


def _patiently(client: ClientOptions, ask: Callable[[], dict[str, int]], stop: threading.Event) -> dict[str, int]:
    throttle = Throttle()
    while not stop.is_set():
        try:
            return ask()
        except KafkaException as error:
            code = error.args[0].code()
            if code not in _PASSING:
                raise
            if throttle.is_due():
                log.warning("waiting for Kafka", brokers=client["bootstrap.servers"], error=error.args[0].str())
        stop.wait(0.5)
    raise StoppedError


def _count(admin: AdminClient, topics: list[str]) -> dict[str, int]:
    there = admin.list_topics(timeout=METADATA_TIMEOUT_S).topics
    for topic in topics:
        if topic not in there or not there[topic].partitions:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"{topic} is not ready yet"))
    return {topic: len(there[topic].partitions) for topic in topics}


def _create(admin: AdminClient, topics: Mapping[str, Mapping[str, str]]) -> None:
    new = [
        NewTopic(
            topic,
            num_partitions=PARTITIONS,
            replication_factor=-1,
            config=dict(config),
        )
        for topic, config in topics.items()
    ]
    for topic, future in admin.create_topics(new, operation_timeout=METADATA_TIMEOUT_S).items():
        try:
            future.result()
            log.info("topic made", topic=topic, partitions=PARTITIONS)
        except KafkaException as error:
            # Another process was faster.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
