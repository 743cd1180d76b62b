"""Kafka topics: the process that starts first creates those that are missing."""

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are exported
    AdminClient,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewTopic

import telemetry
from clients.kafka import ClientOptions, make_admin, make_producer
from clients.kafka_reasons import Reasons
from clients.throttle import Throttle
from core.errors import StoppedError, describe_error

PARTITIONS = 4
"""Number of partitions of a topic that is created here."""

METADATA_TIMEOUT_S = 5.0

# The name of librdkafka's built-in cluster, which is the embedded broker of the local stack. It does not answer
# CreateTopics. It creates a topic when a producer asks for it.
_EMBEDDED = "mockCluster"
# Errors after which the same call is tried again.
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
    # An operator mends these: a password, a certificate, a right.
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError._WAIT_COORD,
)

Answer = TypeVar("Answer")

log = telemetry.get_logger("kafka")


def ensure_topics(
    client: ClientOptions, topics: Mapping[str, Mapping[str, str]], stop: threading.Event
) -> dict[str, int]:
    """Create the missing topics, each with its configuration. Returns each topic's number of partitions.

    Waits for Kafka without a time limit. Raises StoppedError if `stop` is set in the meantime, and KafkaException
    for an error that waiting does not cure. Do not call it inside Bytewax: see `make_admin`."""

    def make(admin: AdminClient) -> dict[str, int]:
        cluster = admin.list_topics(timeout=METADATA_TIMEOUT_S)
        missing = [topic for topic in topics if topic not in cluster.topics]
        if missing and is_embedded(cluster.cluster_id):
            producer = make_producer(client, {"allow.auto.create.topics": True})
            for topic in missing:
                producer.list_topics(topic, timeout=METADATA_TIMEOUT_S)
        elif missing:
            _create(admin, {topic: topics[topic] for topic in missing})
        return _count(admin, list(topics))

    return patiently(client, make, stop)


def keeps_all_messages(client: ClientOptions, topic: str) -> bool:
    """True if a topic never drops messages by itself: no compaction, no retention limit. False for any other topic,
    and if Kafka does not answer.

    Do not call it inside Bytewax: see `make_admin`."""
    admin = make_admin(client)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        if is_embedded(admin.list_topics(topic, timeout=METADATA_TIMEOUT_S).cluster_id):
            return False
        (described,) = admin.describe_configs([resource], request_timeout=METADATA_TIMEOUT_S).values()
        entries = described.result()
    except KafkaException as error:
        log.warning("whether the topic keeps its messages is not known", topic=topic, error=error.args[0].str())
        return False
    usual = {"cleanup.policy": "delete", "retention.ms": "604800000", "retention.bytes": "-1"}
    kept = {name: _value(entries, name, usual[name]) for name in usual}
    if kept == {**usual, "retention.ms": "-1"}:
        return True
    log.warning("the topic drops messages that were not read in time", topic=topic, **kept)
    return False


def message_limits(client: ClientOptions, topics: list[str]) -> dict[str, int]:
    """The largest message, in bytes, that each of these topics takes (`max.message.bytes`). A topic is missing if
    Kafka does not say it, for instance to a user without the right to describe configurations.

    Do not call it inside Bytewax: see `make_admin`."""
    admin = make_admin(client)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    found: dict[str, int] = {}
    try:
        if is_embedded(admin.list_topics(timeout=METADATA_TIMEOUT_S).cluster_id):
            return found
        described = admin.describe_configs(resources, request_timeout=METADATA_TIMEOUT_S)
        for resource, future in described.items():
            found[resource.name] = int(future.result()["max.message.bytes"].value)
    except (KafkaException, KeyError, ValueError) as error:
        log.warning("the largest message that a topic takes is not known", error=describe_error(error))
    return found


def warn_of_losses(client: ClientOptions, topics: Mapping[str, Mapping[str, str]]) -> None:
    """Warn of topics that hold state, which are those that we make compacted, where another program made them
    without compaction (also an alert), or where Kafka can lose a message that it has confirmed.

    Do not call it inside Bytewax: see `make_admin`."""
    wanted = [topic for topic, config in topics.items() if config.get("cleanup.policy") == "compact"]
    if not wanted:
        return
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in wanted]
    admin = make_admin(client)
    try:
        cluster = admin.list_topics(timeout=METADATA_TIMEOUT_S)
        if is_embedded(cluster.cluster_id):
            return
        described = admin.describe_configs(resources, request_timeout=METADATA_TIMEOUT_S)
        configs = {resource.name: future.result() for resource, future in described.items()}
    except KafkaException as error:
        log.warning("the configuration of topics is not known", topics=wanted, error=error.args[0].str())
        return
    losable = {}
    for topic, entries in configs.items():
        policy = _value(entries, "cleanup.policy", "delete")
        telemetry.set_alert("topic_not_compacted", topic, holds="compact" not in policy)
        replicas = min((len(each.replicas) for each in cluster.topics[topic].partitions.values()), default=0)
        in_sync = int(_value(entries, "min.insync.replicas", "1"))
        if replicas < 2 or in_sync < 2:
            losable[topic] = f"{replicas} replicas, min.insync.replicas {in_sync}"
    if losable:
        log.warning(
            "a confirmed command is lost if one broker loses its disk; see docs/operations.md, topics", **losable
        )


def _value(entries: Mapping[str, ConfigEntry], name: str, usual: str) -> str:
    """The value of an entry. One that Kafka does not return has Kafka's default."""
    return str(entries[name].value) if name in entries else usual


def count_partitions(client: ClientOptions, topics: list[str], stop: threading.Event) -> dict[str, int]:
    """Each topic's number of partitions. Waits and raises like `ensure_topics`."""
    return patiently(client, lambda admin: _count(admin, topics), stop)


def is_embedded(cluster_id: str | None) -> bool:
    """True for the embedded broker, which has neither topic ids nor calls about topics."""
    return (cluster_id or "").startswith(_EMBEDDED)


def patiently(client: ClientOptions, ask: Callable[[AdminClient], Answer], stop: threading.Event) -> Answer:
    """The answer of `ask`, which is called until it raises no KafkaException that waiting may cure. Logs the reason
    of the wait at once, at each change, and now and then. Raises like `ensure_topics`."""
    throttle, said = Throttle(), ""
    reasons = Reasons(client)
    admin = make_admin(client, reasons)
    while not stop.is_set():
        try:
            return ask(admin)
        except KafkaException as error:
            failure = error.args[0]
            if failure.code() not in _PASSING:
                raise
            # The call says that it failed, the callback why.
            admin.poll(0)
            reason = reasons.last or reasons.text(failure)
            if throttle.is_due() or reason.split(":")[0] != said:
                said = reason.split(":")[0]
                brokers = client["bootstrap.servers"]
                log.warning("waiting for Kafka", brokers=brokers, error=failure.str(), reason=reason)
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
