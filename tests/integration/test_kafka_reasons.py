"""Reasons why Kafka cannot be used: in the log at once, without secrets."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import kafka_topics
from clients.kafka import client_options
from clients.kafka_topics import ensure_topics
from core.errors import StoppedError
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from stack.process import free_port

PASSWORD = "a-secret-of-the-test"
SASL = {"sasl.mechanism": "PLAIN", "sasl.username": "user", "sasl.password": PASSWORD}


class FakeLog:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, message: str, **details: Any) -> None:
        self.lines.append({"message": message, **details})


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    fake = FakeLog()
    monkeypatch.setattr(kafka_topics, "log", fake)
    monkeypatch.setattr(kafka_topics, "METADATA_TIMEOUT_S", 1.0)
    return fake


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a TLS server whose certificate is for another host, and the file of the certificate."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=kafka.example", "-addext", "subjectAltName=DNS:kafka.example"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as talking:
                    talking.recv(1)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], certificate
    stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def reason_of(log: FakeLog, brokers: str, options: dict[str, str]) -> str:
    """The reason that is logged while a client waits."""
    log.lines.clear()
    stop = threading.Event()
    waiting = threading.Thread(target=wait_for_kafka, args=(brokers, options, stop))
    waiting.start()
    deadline = threading.Event()
    for _ in range(200):
        if log.lines:
            break
        deadline.wait(0.1)
    stop.set()
    waiting.join(20)
    assert log.lines, "no line"
    assert all(PASSWORD not in str(line) for line in log.lines)
    assert log.lines[0]["message"] == "waiting for Kafka"
    return str(log.lines[-1]["reason"])


def wait_for_kafka(brokers: str, options: dict[str, str], stop: threading.Event) -> None:
    with pytest.raises(StoppedError):
        ensure_topics(client_options(brokers, options), {"any": {}}, stop)


def test_a_wrong_port_and_an_unknown_host_are_named(log: FakeLog) -> None:
    assert "Connection refused" in reason_of(log, f"127.0.0.1:{free_port()}", {})
    assert "Failed to resolve" in reason_of(log, "no-such-host.invalid:9092", {})


def test_tls_and_sasl_at_a_plain_listener_are_named(log: FakeLog, broker: KafkaServer | EmbeddedBroker) -> None:
    tls = reason_of(log, broker.brokers, {"security.protocol": "SSL"})
    # The library's words depend on whether the listener answers or only closes.
    assert "SSL handshake failed" in tls or "SSL connection closed by peer" in tls
    assert "PLAINTEXT" in tls or "SSL_HANDSHAKE" in tls
    if isinstance(broker, KafkaServer):
        sasl = reason_of(log, broker.brokers, {"security.protocol": "SASL_PLAINTEXT", **SASL})
        assert sasl.startswith("_AUTHENTICATION: ")
        assert "SASL PLAIN mechanism handshake failed" in sasl


def test_a_certificate_of_another_host_is_named(log: FakeLog, tls_server: tuple[int, Path]) -> None:
    port, certificate = tls_server
    options = {"security.protocol": "SASL_SSL", "ssl.ca.location": str(certificate), **SASL}
    assert "certificate verify failed" in reason_of(log, f"127.0.0.1:{port}", options)
