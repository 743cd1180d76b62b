"""The watch over topics: a thread that asks Kafka for each topic's id and number of partitions.

A topic that was deleted and made again has the same name and another id. Consumers of librdkafka 2.16 do not notice
it: they read on at the old offset, and report nothing while the topic is missing. So the watch asks, and readers
compare ids."""

import threading
from collections.abc import Collection, Mapping

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

import telemetry
from clients.kafka import ClientOptions, make_admin
from clients.kafka_reasons import Reasons
from clients.kafka_topics import is_embedded
from clients.throttle import Throttle
from core.errors import StoppedError

CHECK_EVERY_S = 5.0
RETRY_S = 0.5
TIMEOUT_S = 5.0
MISSING_CHECKS = 2
"""Checks in a row after which a topic is taken to be missing: a broker may not know of a new topic at once."""

_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"

log = telemetry.get_logger("kafka")


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic as Kafka describes it. topic_id: None if the broker has no ids (before Kafka 2.8, embedded broker).
    problem: the code of the alert that holds, empty if the topic can be used; the other fields are then those of
    before."""

    partitions: int
    topic_id: str | None
    problem: str = ""


def describe_topics(admin: AdminClient, topics: Collection[str]) -> dict[str, TopicFacts | KafkaError]:
    """The facts of each topic, or the error that Kafka gives for it. Raises KafkaException if Kafka does not
    answer."""
    cluster = admin.list_topics(timeout=TIMEOUT_S)
    if is_embedded(cluster.cluster_id):
        there = cluster.topics
        unknown = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return {
            topic: TopicFacts(len(there[topic].partitions), None)
            if topic in there and there[topic].partitions
            else unknown
            for topic in topics
        }
    found: dict[str, TopicFacts | KafkaError] = {}
    futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
    for topic, future in futures.items():
        try:
            described = future.result()
        except KafkaException as error:
            failure = error.args[0]
            if failure.code() not in _PROBLEMS:
                raise
            found[topic] = failure
        else:
            # As Kafka's own tools write it.
            topic_id = str(described.topic_id).replace("+", "-").replace("/", "_")
            found[topic] = TopicFacts(len(described.partitions), None if topic_id == _NO_ID else topic_id)
    return found


_PROBLEMS: Mapping[int, str] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "topic_missing",
    KafkaError._UNKNOWN_TOPIC: "topic_missing",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic_forbidden",
}


class TopicWatch:
    """The watch over some topics. Raises the alerts `topic_missing`, `topic_forbidden` and `partitions_added`.

    Any thread may read `facts` (topic to what is known, replaced as a whole), `checks` (number of answers of Kafka)
    and `reachable` (Kafka answered the last check)."""

    def __init__(self, client: ClientOptions, topics: Collection[str]) -> None:
        self._client = client
        self._topics = list(topics)
        self._reads: dict[str, int] = {}
        self._admin: AdminClient | None = None
        self._reasons = Reasons(client)
        self._throttle = Throttle()
        self._missed: dict[str, int] = {}
        self._past_ids: set[str] = set()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self.facts: dict[str, TopicFacts] = {}
        self.checks = 0
        self.reachable = False

    def start(self, stop: threading.Event) -> None:
        """Check until Kafka has answered once, then start the thread. Raises StoppedError if `stop` is set in the
        meantime."""
        self.check()
        while not self.reachable:
            if stop.wait(RETRY_S):
                raise StoppedError
            self.check()
        threading.Thread(target=self._run, name="topic-watch", daemon=True).start()

    def expect(self, partitions: Mapping[str, int]) -> None:
        """Raise an alert for topics that get more partitions than a process reads. A reader that takes new
        partitions up by itself does not call it."""
        self._reads = dict(partitions)

    def stop(self) -> None:
        """End the thread. It does not wait for it."""
        self._stop.set()
        self._wake.set()

    def check_soon(self) -> None:
        """Let the thread check at once. Returns before it does."""
        self._wake.set()

    def check(self) -> None:
        """Ask Kafka. Logs the reason if it does not answer, at once and then now and then."""
        if self._admin is None:
            self._admin = make_admin(self._client, self._reasons)
        try:
            described = describe_topics(self._admin, self._topics)
        except KafkaException as error:
            self._admin.poll(0)
            if self._throttle.is_due():
                reason = self._reasons.last or self._reasons.text(error.args[0])
                log.warning("Kafka does not describe its topics", reason=reason)
            self.reachable = False
            return
        self._admin.poll(0)
        self.take(described)

    def take(self, described: Mapping[str, TopicFacts | KafkaError]) -> None:
        """Take an answer of Kafka."""
        facts = dict(self.facts)
        for topic, found in described.items():
            known = facts.get(topic)
            if isinstance(found, TopicFacts):
                self._missed[topic] = 0
                if found.topic_id in self._past_ids:
                    # A broker that has not heard of the new topic yet.
                    continue
                if known is not None and known.topic_id not in (None, found.topic_id):
                    self._past_ids.add(str(known.topic_id))
                facts[topic] = found
                self._set_alerts(topic, "")
                continue
            self._missed[topic] = self._missed.get(topic, 0) + 1
            problem = _PROBLEMS[found.code()]
            if problem == "topic_missing" and self._missed[topic] < MISSING_CHECKS:
                self._wake.set()
                continue
            before = known or TopicFacts(0, None)
            facts[topic] = TopicFacts(before.partitions, before.topic_id, problem)
            self._set_alerts(topic, problem)
        for topic, count in self._reads.items():
            there = facts.get(topic)
            more = there is not None and not there.problem and there.partitions > count
            telemetry.set_alert("partitions_added", topic, holds=more)
        self.facts = facts
        self.reachable = True
        self.checks += 1

    def _set_alerts(self, topic: str, problem: str) -> None:
        for code in ("topic_missing", "topic_forbidden"):
            telemetry.set_alert(code, topic, holds=code == problem)

    def _run(self) -> None:
        while not self._stop.is_set():
            # A wake during a check leads to another one, after a moment.
            self._wake.wait(CHECK_EVERY_S)
            asked = self._wake.is_set()
            self._wake.clear()
            if asked:
                self._stop.wait(RETRY_S)
            if not self._stop.is_set():
                self.check()
