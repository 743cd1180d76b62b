"""The embedded broker: librdkafka's built-in cluster, in a process of its own. It has the real wire protocol and
keeps messages in memory, 5 MiB for each partition. It makes topics on first use, with 4 partitions. It is for a
first look, not for real data."""

import signal
import sys
import threading

from confluent_kafka import Producer

from stack.process import Program

READY_WITHIN_S = 15.0


class EmbeddedBroker:
    """The process of the embedded broker. librdkafka chooses its port, so `brokers` is empty before `start`."""

    kind = "embedded broker (librdkafka's built-in cluster)"

    def __init__(self) -> None:
        self.brokers = ""
        self.program: Program | None = None

    def start(self) -> None:
        """Start the process and wait for its address. Raises StartError."""
        self.program = Program("broker", [sys.executable, "-m", "stack.broker"], on_line=self._on_line)
        self.program.wait_until(lambda: bool(self.brokers), READY_WITHIN_S)

    def stop(self) -> None:
        """Stop the process. Its messages are gone."""
        if self.program is not None:
            self.program.stop()

    def _on_line(self, line: str) -> None:
        if line.startswith("brokers "):
            self.brokers = line.removeprefix("brokers ")


def main() -> None:
    """Run the cluster until SIGTERM or SIGINT. Prints `brokers HOST:PORT` when it is up."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", "log_level": 2})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    print("brokers", ",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    stop.wait()


if __name__ == "__main__":
    main()
