"""A real Kafka: one KRaft node from the jars of Maven Central. It needs Java and Maven, and no Docker."""

import subprocess
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from core.errors import StartError
from stack.jars import Jars
from stack.process import Program, free_port

VERSION = "4.1.1"
READY_WITHIN_S = 60.0
JARS = Jars(f"kafka-{VERSION}", Path(__file__).parent / "kafka-pom.xml")
SMALL_HEAP = ("-Xmx512m", "-Xms256m", "-XX:+UseSerialGC")
SERVER_HEAP = (
    "-Xmx1g",
    "-Xms1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
"""As Kafka's own start script has it. With 3,000 messages a second, a broker with the small heap collects garbage
for 10 to 20 ms in every second, and with this one in every six seconds."""

# KRaft requires an id of 16 bytes in base64. Any value will do.
CLUSTER_ID = "cHJpY2V3YXgtbG9jYWwtMQ"


def is_available() -> bool:
    """Return True if Java is installed, and Kafka's jars are here or Maven can fetch them."""
    return JARS.are_available


class KafkaServer:
    """Broker and controller in one process, on loopback ports. The log is in `folder` and stays there between stop
    and start. retention_minutes: of messages; None keeps a week. heap: options of Java."""

    kind = f"Apache Kafka {VERSION}"

    def __init__(
        self,
        folder: Path,
        advertised_port: int | None = None,
        retention_minutes: int | None = None,
        *,
        heap: tuple[str, ...] = SMALL_HEAP,
    ) -> None:
        self._folder = folder / "kafka"
        self.port = free_port()
        self._advertised_port = advertised_port or self.port
        self._controller_port = free_port()
        self._retention_minutes = retention_minutes
        self._heap = heap
        self.brokers = f"127.0.0.1:{self.port}"
        self.program: Program | None = None

    def start(self) -> None:
        """Start Kafka and wait until it answers. Raises StartError."""
        JARS.install()
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        java = ["java", *self._heap, "-cp", JARS.class_path]
        if not properties.exists():
            lines = [f"{name}={value}" for name, value in self._properties().items()]
            properties.write_text("\n".join(lines))
            formatting = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
            done = subprocess.run([*java, *formatting], capture_output=True, text=True, check=False)
            if done.returncode:
                raise StartError(f"Kafka's storage could not be formatted: {done.stderr.strip()[-500:]}")
        self.program = Program("kafka", [*java, "kafka.Kafka", properties])
        self.program.wait_until(self._answers, READY_WITHIN_S)

    def stop(self) -> None:
        """Stop Kafka. Its log stays."""
        if self.program is not None:
            self.program.stop()

    def _answers(self) -> bool:
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def _properties(self) -> dict[str, str | int]:
        limits = {}
        if self._retention_minutes:
            # A segment is the smallest part that Kafka deletes.
            limits = {"log.retention.minutes": self._retention_minutes, "log.segment.bytes": 16 * 1024 * 1024}
        listeners = f"PLAINTEXT://127.0.0.1:{self.port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller_port}",
            # If a test has a proxy in front, this is the proxy's port, so that clients go through it.
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._advertised_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._folder / "log"),
            "num.partitions": 4,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "message.max.bytes": 4 * 1024 * 1024,
            "replica.fetch.max.bytes": 4 * 1024 * 1024,
            "log.retention.check.interval.ms": 1000,
            **limits,
        }
