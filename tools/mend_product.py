"""`python -m tools.mend_product ID`: take times from the future out of a product's state."""

import argparse
import sys
import threading
import time
from functools import partial

import msgspec
from confluent_kafka import KafkaException, Message, TopicPartition
from redis import RedisError

from clients import redis
from clients.kafka import client_options, make_consumer, make_producer
from connectors.shared_consumer import GROUP
from core.errors import LetterError, StoppedError, describe_error
from core.identifiers import is_identifier
from core.timestamps import parse_timestamp, to_rfc3339
from settings import Settings
from sinks.redis.pricing import PRICE_FIELDS, price_key
from sinks.redis.reader import StoredPrice, read_price
from tools.interrupts import run_interruptibly
from tools.pacing import KAFKA_HELP, start_tool, wait_for_topics

APPLIED_WITHIN_S = 30.0
CONFIRM_WITHIN_S = 10.0
LOOK_EVERY_S = 0.2
ANSWER_WITHIN_S = 5.0

_encode = msgspec.json.Encoder().encode


def main(arguments: list[str] | None = None) -> int:
    """Send a correction and wait until the flow has applied it; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    return run_interruptibly("mend_product", lambda: _run(options, settings, stop), stop, grace_s=0)


def _run(options: argparse.Namespace, settings: Settings, stop: threading.Event) -> int:
    not_after_ms = options.not_after or time.time_ns() // 1_000_000
    try:
        stored = _read(settings, options.product)
        if stored is None:
            raise LetterError(f"Redis has no price of {options.product}")
        _print("before", stored)
        correction = {"product_id": options.product, "not_after": not_after_ms, "demand": options.demand}
        client = client_options(settings.kafka_brokers, settings.kafka_client_options)
        wait_for_topics(client, settings, stop)
        consumer = make_consumer(client, GROUP)
        try:
            sent = _send(settings, options.product, _encode(correction))
            deadline = time.monotonic() + APPLIED_WITHIN_S
            # The flow commits the offset of a message when its effect is in a recovery snapshot.
            while consumer.committed([sent], ANSWER_WITHIN_S)[0].offset <= sent.offset:
                if stop.wait(LOOK_EVERY_S) or time.monotonic() > deadline:
                    raise LetterError("sent, and not applied yet; it takes effect once the flow has read it")
        finally:
            consumer.close()
        _print("after", _read_newer(settings, stored, stop))
    except (LetterError, KafkaException, RedisError, StoppedError, TimeoutError) as error:
        print(f"mend_product: {describe_error(error)}", file=sys.stderr)
        return 1
    return 0


def _send(settings: Settings, product_id: str, value: bytes) -> TopicPartition:
    """Send a correction. Returns its position. Raises LetterError if Kafka does not confirm it."""
    producer = make_producer(client_options(settings.kafka_brokers, settings.kafka_client_options))
    confirmed: list[tuple[object, Message]] = []
    note = partial(_note, confirmed)
    producer.produce(settings.product_corrections_topic, value, product_id, on_delivery=note)
    producer.flush(CONFIRM_WITHIN_S)
    error, message = confirmed[0] if confirmed else ("no answer", None)
    if error is not None or message is None:
        raise LetterError(f"Kafka has not confirmed the correction: {error}")
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return TopicPartition(topic, partition, offset)


def _note(confirmed: list[tuple[object, Message]], error: object, message: Message) -> None:
    confirmed.append((error, message))


def _read(settings: Settings, product_id: str) -> StoredPrice | None:
    client = redis.connect(settings.redis)
    try:
        values: list[bytes | None] = client.hmget(price_key(product_id), PRICE_FIELDS)  # type: ignore[assignment]
        return read_price(product_id, values)
    finally:
        client.close()


def _read_newer(settings: Settings, before: StoredPrice, stop: threading.Event) -> StoredPrice:
    """The price after a correction. Each makes a new version; Redis may have it later than the snapshot."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while True:
        stored = _read(settings, before.product_id)
        if stored is not None and stored.version > before.version:
            return stored
        if stop.wait(LOOK_EVERY_S) or time.monotonic() > deadline:
            raise LetterError("applied, and Redis still has the price of before")


def _print(when: str, stored: StoredPrice) -> None:
    at = to_rfc3339(stored.event_time_ms)
    print(f"{when:>6}: price {stored.price}, demand {stored.demand:g}, version {stored.version}, event time {at}")


def _product(text: str) -> str:
    if not is_identifier(text):
        raise argparse.ArgumentTypeError("takes a product id")
    return text


def _time(text: str) -> int:
    try:
        return parse_timestamp(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}") from None


def _demand(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e15:
        raise argparse.ArgumentTypeError("takes a number from 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mend_product", description=__doc__.split(": ")[1], epilog=KAFKA_HELP
    )
    parser.add_argument("product", type=_product, metavar="ID", help="the product's id")
    parser.add_argument(
        "--demand", type=_demand, metavar="N", help="the demand to go on from (default: the demand that it has)"
    )
    parser.add_argument(
        "--not-after",
        type=_time,
        metavar="TIME",
        help="no time in the state is after this one, RFC 3339 or seconds (default: now)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
