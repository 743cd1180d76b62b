"""Kafka clients: the only place that makes a producer, a consumer or an admin client."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clients.kafka_reasons import Reasons

ClientOptions = Mapping[str, str | int]
"""librdkafka options that all clients of a process share: brokers, TLS, SASL."""

Option = str | int | float | bool | Callable[[KafkaError], None]
"""A value of a librdkafka option, as the Python client takes it."""

PRODUCER_OPTIONS: dict[str, Option] = {
    "enable.idempotence": True,
    "acks": "all",
    # With more, librdkafka loses messages that it calls delivered (docs/decisions/0039).
    "max.in.flight.requests.per.connection": 1,
    # A broker that makes topics on demand would make a deleted one again, with its own number of partitions.
    "allow.auto.create.topics": False,
}

CONSUMER_OPTIONS: dict[str, Option] = {
    # Readers keep their positions themselves. The group's offsets are for lag tools only.
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # If the next offset has left its topic, the read fails. A silent skip would lose messages.
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 50,
    "queued.max.messages.kbytes": 16384,
    # A message larger than the default (100 MB) would be fetched again and again, for ever.
    "receive.message.max.bytes": 1_000_000_000,
}

_OPTION = re.compile(
    r"""\s*(?P<name>[^=;'"]+?)\s*=\s*"""
    r"""(?:(?P<quote>['"])(?P<quoted>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)\s*|(?P<plain>[^;]*?)\s*)(?:;|$)""",
    re.DOTALL,
)


def parse_options(text: str) -> dict[str, str]:
    """Options from `name=value;name=value`. A value that contains `;` or begins with a quote is in single or double
    quotes. Within them, a backslash stands before a quote and before a backslash, as in libpq. Raises ValueError
    for any other form."""
    options: dict[str, str] = {}
    position = 0
    while text[position:].strip(" ;"):
        position += len(text[position:]) - len(text[position:].lstrip(" ;"))
        match = _OPTION.match(text, position)
        if match is None or (match["plain"] or "").startswith(("'", '"')):
            raise ValueError("takes name=value;name=value")
        quoted = match["quoted"]
        options[match["name"]] = (
            match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        )
        position = match.end()
    return options


def check_options(options: Mapping[str, str]) -> None:
    """Check options by making a producer with them. Raises ValueError if librdkafka does not accept them."""
    try:
        Producer({"bootstrap.servers": "localhost:9092", "log_level": 0, **options})
    except KafkaException as error:
        raise ValueError(error.args[0].str()) from None


def client_options(brokers: str, options: Mapping[str, str]) -> dict[str, str | int]:
    """The options of all clients. librdkafka logs only severe errors, because each client reports an outage itself,
    once."""
    return {"bootstrap.servers": brokers, "log_level": 2, "reconnect.backoff.max.ms": 1000, **options}


def make_producer(client: ClientOptions, options: Mapping[str, Option] | None = None) -> Producer:
    """An idempotent producer. All replicas confirm each message. It makes no topics. Reasons of errors go to the
    log when it is polled."""
    return Producer({"error_cb": Reasons(client, "producer"), **client, **PRODUCER_OPTIONS, **(options or {})})


def make_consumer(client: ClientOptions, group: str, options: Mapping[str, Option] | None = None) -> Consumer:
    """A consumer without partitions: the caller assigns them. The group's offsets are for lag tools only. Reasons
    of errors go to the log when it is polled."""
    reasons = Reasons(client, f"consumer {group}")
    return Consumer({"error_cb": reasons, **client, **CONSUMER_OPTIONS, "group.id": group, **(options or {})})


def make_admin(client: ClientOptions, reasons: Reasons | None = None) -> AdminClient:
    """An admin client. Its blocking calls do not report reasons: after a failure, call `poll(0)`, and `reasons`
    has the last one. Its calls that make or change topics can crash the process inside Bytewax
    (docs/decisions/0003)."""
    options: dict[str, Any] = {"error_cb": reasons or Reasons(client, "admin"), **client}
    return AdminClient(options)


def offset_is_gone(error: KafkaError) -> bool:
    """True if an error means that the next offset to read has left its topic: retention dropped it, or the topic
    was deleted and created again."""
    return error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


_REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)


def was_refused(error: KafkaError) -> bool:
    """True if the error of a delivery means that Kafka has not taken the message. After any other error it may
    have."""
    return error.code() in _REFUSALS
