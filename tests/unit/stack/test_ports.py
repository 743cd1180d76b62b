"""Ports for servers: the system gives none of them to outgoing connections."""

import socket
from pathlib import Path

import pytest

from stack import process
from stack.process import free_port


def test_a_free_port_is_below_those_of_outgoing_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = tmp_path / "range"
    ports.write_text("20000\t60999\n")
    monkeypatch.setattr(process, "LOCAL_PORTS", ports)
    found = {free_port() for _ in range(20)}
    assert len(found) > 10
    assert all(process.PORTS_FROM <= port < 20_000 for port in found)
    with socket.socket() as server:
        server.bind(("127.0.0.1", found.pop()))


@pytest.mark.parametrize("content", ["1024\t65535\n", None])
def test_there_is_a_port_if_the_range_leaves_none_or_is_not_known(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = tmp_path / "range"
    if content:
        ports.write_text(content)
    monkeypatch.setattr(process, "LOCAL_PORTS", ports)
    assert free_port() > 0
