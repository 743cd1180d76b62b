"""The reader of rules and alerts in Kafka, for the API. Each call reads the topic from its end."""

import contextlib
import sys
import time
from collections.abc import Iterator

import msgspec
from confluent_kafka import KafkaException

from clients.kafka import ClientOptions
from core.errors import NotAnsweredError
from market.alerts import AlertRule, decode_rule, make_rule
from sinks.dead_letters.tail import GROWTH, SCAN_MAX, TopicTail
from sinks.kafka.market import AlertMessage

_decode_alert = msgspec.json.Decoder(AlertMessage).decode


class MarketTopics:
    """The topics of rules and alerts. Any thread may call the methods. They raise NotAnsweredError if Kafka does
    not answer within `within_s`, or if a topic could not be read to its end in that time."""

    def __init__(self, client: ClientOptions, rules: str, alerts: str) -> None:
        self._client = client
        self._rules = rules
        self._alerts = alerts

    def rules(self, *, within_s: float) -> list[AlertRule]:
        """All rules, by symbol and id."""
        found: dict[str, AlertRule | None] = {}
        with self._tail(self._rules, within_s, sys.maxsize) as tail:
            for partition in tail.partitions:
                for message in tail.window(partition, sys.maxsize):
                    found[(message.key() or b"").decode("ascii", "replace")] = _read_rule(message.value())
        rules = [rule for rule in found.values() if rule is not None]
        return sorted(rules, key=lambda rule: (rule.symbol, rule.id))

    def alerts(self, limit: int, symbol: str | None = None, *, within_s: float) -> list[AlertMessage]:
        """The newest alerts, the newest first, each once. symbol: None for those of all."""
        # By id, with the offset: alerts of one symbol are in one partition.
        found: dict[str, tuple[AlertMessage, int]] = {}
        with self._tail(self._alerts, within_s) as tail:
            for partition in tail.partitions:
                count, size = 0, limit
                # All that a partition has may be among the newest.
                while count < limit and partition in tail.partitions:
                    for message in tail.window(partition, size):
                        alert = _read_alert(message.value())
                        if alert is not None and symbol in (None, alert.symbol):
                            found[alert.id] = alert, message.offset() or 0
                            count += 1
                    size *= GROWTH
        newest = sorted(found.values(), key=lambda each: (each[0].at, each[1]), reverse=True)
        return [alert for alert, _ in newest[:limit]]

    @contextlib.contextmanager
    def _tail(self, topic: str, within_s: float, scan_max: int = SCAN_MAX) -> Iterator[TopicTail]:
        try:
            with contextlib.closing(TopicTail(self._client, topic, time.monotonic() + within_s, scan_max)) as tail:
                yield tail
        except KafkaException as error:
            raise NotAnsweredError(error.args[0].str()) from None
        if not tail.complete:
            raise NotAnsweredError("Kafka does not answer in time")


def _read_rule(value: bytes | None) -> AlertRule | None:
    """The rule of a message; None for a removal, and for what the flow refuses too."""
    try:
        return None if value is None else make_rule(decode_rule(value))
    except (msgspec.MsgspecError, ValueError):
        return None


def _read_alert(value: bytes | None) -> AlertMessage | None:
    try:
        return None if value is None else _decode_alert(value)
    except msgspec.MsgspecError:
        return None
