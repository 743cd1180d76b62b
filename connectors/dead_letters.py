"""`python -m connectors.dead_letters list|show|replay`: what could not be used, and sending it again.

A letter that was sent again is marked by a null value under its key (the position it came from), so that lists
show it, and nobody sends it twice by mistake.
"""

import argparse
import base64
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from rich.console import Console
from rich.table import Table

from connectors.pacing import start_tool
from connectors.topics import StoppedError, client_options, count_partitions

TIMEOUT_S = 5.0
CONFIRM_WITHIN_S = 10.0
LIST_DEFAULT = 20
SCAN_MAX = 20_000
"""How many of a partition's newest messages are looked at, at most."""

SHOWN_BYTES = 2_000


class Source(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    offset: int

    @property
    def key(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Letter(msgspec.Struct, frozen=True):
    """A message of `dead-letters`. `raw` is base64, `at` in milliseconds."""

    error_code: str
    stage: str
    detail: str
    source: Source
    raw: str
    raw_size: int
    at: int
    replayed: bool = False

    @property
    def raw_bytes(self) -> bytes:
        return base64.b64decode(self.raw)


class LetterError(Exception):
    """The letter cannot be read or sent again; the message says why."""


_decode = msgspec.json.Decoder(Letter).decode


def parse_source(text: str) -> Source:
    """`topic:partition:offset`. Raises ValueError."""
    topic, partition, offset = text.rsplit(":", 2)
    if not (topic and partition.isdigit() and offset.isdigit() and len(partition) < 10 and len(offset) < 19):
        raise ValueError(text)
    return Source(topic, int(partition), int(offset))


class DeadLetterTopic:
    """Reads the topic anew with each call: there are few letters, and they are looked at now and then."""

    def __init__(self, client: Mapping[str, str | int], topic: str) -> None:
        self._client = client
        self._topic = topic

    def newest(self, limit: int, code: str | None = None) -> list[Letter]:
        """The newest letters, each position once, newest first. Raises KafkaException."""
        letters, replayed = self._scan()
        found = [letter for letter in letters.values() if code is None or letter.error_code == code]
        found.sort(key=lambda letter: (letter.at, letter.source.key), reverse=True)
        return [_marked(letter, replayed) for letter in found[:limit]]

    def find(self, source: Source) -> Letter:
        """The letter of a position. Raises LetterError, KafkaException."""
        letters, replayed = self._scan()
        letter = letters.get(source.key)
        if letter is None:
            raise LetterError("no such dead letter among the newest")
        return _marked(letter, replayed)

    def replay(self, source: Source, value: bytes | None = None, *, again: bool = False) -> None:
        """Send the message of a letter to its topic again, as it was, or with another value; then mark the letter.
        Raises LetterError, KafkaException.

        As it was: from its topic if it is still there, with its key; else out of the letter, without."""
        letter = self.find(source)
        if letter.replayed and not again:
            raise LetterError("this letter has been sent again before")
        original = self._original(source)
        key = original[0] if original else None
        if value is None:
            value = original[1] if original else letter.raw_bytes
            if original is None and letter.raw_size > len(letter.raw_bytes):
                raise LetterError("the message has left its topic, and the letter holds only its beginning")
        producer = Producer({**self._client, "enable.idempotence": True})
        _send(producer, source.topic, key, value)
        _send(producer, self._topic, source.key.encode(), None)

    def _scan(self) -> tuple[dict[str, Letter], set[str]]:
        letters: dict[str, Letter] = {}
        replayed: set[str] = set()
        count = count_partitions(self._client, [self._topic], threading.Event())[self._topic]
        consumer = self._consumer()
        try:
            for index in range(count):
                for key, value in _tail(consumer, TopicPartition(self._topic, index), SCAN_MAX):
                    if value is None:
                        replayed.add((key or b"").decode(errors="replace"))
                        continue
                    try:
                        letter = _decode(value)
                    except (msgspec.MsgspecError, RecursionError):
                        continue
                    # The topic is at least once: the same position may come twice.
                    letters.setdefault(letter.source.key, letter)
        finally:
            consumer.close()
        return letters, replayed

    def _original(self, source: Source) -> tuple[bytes | None, bytes | None] | None:
        consumer = self._consumer()
        try:
            partition = TopicPartition(source.topic, source.partition)
            low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
            if not low <= source.offset < high:
                return None
            partition.offset = source.offset
            consumer.assign([partition])
            message = consumer.poll(TIMEOUT_S)
            if message is None or message.error() is not None or message.offset() != source.offset:
                return None
            return message.key(), message.value()
        except KafkaException:
            return None
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        options = {"group.id": "pricewax-dead-letters", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        return Consumer({**self._client, **options, "auto.offset.reset": "earliest"})


def _tail(consumer: Consumer, partition: TopicPartition, most: int) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of a partition's newest messages, in order."""
    low, high = consumer.get_watermark_offsets(partition, timeout=TIMEOUT_S)
    partition.offset = max(low, high - most)
    if partition.offset >= high:
        return []
    consumer.assign([partition])
    found = []
    position = partition.offset
    while position < high:
        messages = consumer.consume(1, TIMEOUT_S)
        if not messages:
            raise LetterError("Kafka does not answer in time")
        # What else is here already, without waiting for more.
        messages += consumer.consume(1000, 0)
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            found.append((message.key(), message.value()))
            position = (message.offset() or 0) + 1
    return found


def _marked(letter: Letter, replayed: set[str]) -> Letter:
    return msgspec.structs.replace(letter, replayed=letter.source.key in replayed)


def _send(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    problems: list[object] = []
    producer.produce(topic, value, key, on_delivery=lambda error, _: problems.append(error))
    producer.flush(CONFIRM_WITHIN_S)
    if problems != [None]:
        raise LetterError(f"Kafka has not confirmed the message: {problems[0] if problems else 'no answer'}")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    settings, _stop = start_tool()
    client = client_options(settings.kafka_brokers, settings.kafka_client_options)
    topic = DeadLetterTopic(client, settings.dead_letters_topic)
    console = Console()
    try:
        if options.command == "list":
            _print_list(console, topic.newest(options.limit, options.code))
        elif options.command == "show":
            _print_letter(console, topic.find(options.source))
        else:
            value = options.value.encode() if options.value is not None else None
            topic.replay(options.source, value, again=options.again)
            console.print(f"sent again to {options.source.topic}")
    except (LetterError, KafkaException, StoppedError) as error:
        print(f"dead_letters: {error}", file=sys.stderr)
        return 1
    return 0


def _print_list(console: Console, letters: list[Letter]) -> None:
    if not letters:
        console.print("no dead letters")
        return
    table = Table("at", "source", "code", "detail", "bytes", "sent again")
    for letter in letters:
        moment = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        again = "yes" if letter.replayed else ""
        table.add_row(moment, letter.source.key, letter.error_code, letter.detail, str(letter.raw_size), again)
    console.print(table)


def _print_letter(console: Console, letter: Letter) -> None:
    shown = {**msgspec.structs.asdict(letter), "source": letter.source.key}
    raw = letter.raw_bytes
    del shown["raw"]
    for name, value in shown.items():
        console.print(f"{name:>12}  {value}", markup=False, highlight=False)
    text = raw[:SHOWN_BYTES].decode(errors="backslashreplace")
    console.print(f"{'raw':>12}  {text}", markup=False, highlight=False)


def _source(text: str) -> Source:
    try:
        return parse_source(text)
    except ValueError:
        raise argparse.ArgumentTypeError("takes topic:partition:offset, as the list shows it") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.dead_letters", description=__doc__.split(": ")[1])
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="the newest dead letters")
    listing.add_argument("--limit", type=int, default=LIST_DEFAULT, help=f"how many (default: {LIST_DEFAULT})")
    listing.add_argument("--code", help="only those with this error code")
    show = commands.add_parser("show", help="one letter, with what is in it")
    replay = commands.add_parser("replay", help="send the message to its topic again, for after a fix")
    for command in (show, replay):
        command.add_argument("source", type=_source, help="topic:partition:offset, as the list shows it")
    replay.add_argument("--value", help="send this instead of the message as it was")
    replay.add_argument("--again", action="store_true", help="even if it has been sent again before")
    return parser


if __name__ == "__main__":
    sys.exit(main())
