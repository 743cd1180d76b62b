"""Reading dead letters: bounded memory, letters of other programs, a Kafka that does not answer."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from clients.kafka import client_options
from core.dead_letter import RAW_MAX_BYTES, DeadLetter, ErrorCode, encode_letter
from core.errors import LetterNotFoundError
from core.positions import SourcePosition
from sinks.dead_letters.reader import DeadLetterTopic
from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import KEY, ROOT, STOP_CODES, Pipeline, wait_for

LETTERS = 80


def put_letter(pipeline: Pipeline, offset: int, raw: bytes, *, code: ErrorCode = ErrorCode.NOT_JSON) -> None:
    letter = DeadLetter(code, "decode", "x", SourcePosition("t", 0, offset), raw)
    key, value = encode_letter(letter, 1_700_000_000_000 + offset)
    pipeline.send("dead-letters", key, value)


def test_a_list_of_large_letters_takes_little_memory(pipeline: Pipeline) -> None:
    for offset in range(LETTERS):
        put_letter(pipeline, offset, b"x" * RAW_MAX_BYTES)
        if offset % 20 == 19:
            pipeline.flush()
    # Messages of other programs: no JSON, no base64, a time that no calendar has, a key of a megabyte.
    good = b'{"error_code":"x","stage":"s","detail":"d","source":["t",0,1],"raw":"%b","raw_size":1,"at":%d}'
    for value in (b"{", good % (b"!", 1), good % (b"", 10**18), b"[" * 100_000, good.replace(b"1", b"1" * 5000)):
        pipeline.send("dead-letters", "other", value)
    pipeline.send("dead-letters", b"k" * 900_000, None)
    pipeline.flush()
    topic = DeadLetterTopic(client_options(pipeline.brokers, {}), pipeline.topics["dead-letters"])
    tracemalloc.start()
    try:
        found = topic.newest(500, within_s=30)
        assert found.complete
        assert [letter.source.offset for letter in found.letters] == list(range(LETTERS))[::-1]
        assert [letter.source.offset for letter in topic.newest(1, within_s=30).letters] == [LETTERS - 1]
        assert topic.newest(5, "bad_price", within_s=30).letters == []
        oldest = topic.find(SourcePosition("t", 0, 0), within_s=30)
        assert len(oldest.raw_bytes) == RAW_MAX_BYTES
        with pytest.raises(LetterNotFoundError):
            topic.find(SourcePosition("t", 0, LETTERS), within_s=30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All letters together have 56 MB.
    assert peak < 30_000_000, f"{peak / 1e6:.0f} MB"


def test_a_kafka_that_does_not_answer_holds_up_nothing_else(
    pipeline: Pipeline, broker: KafkaServer | EmbeddedBroker
) -> None:
    put_letter(pipeline, 1, b"raw")
    pipeline.flush()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    tool = [sys.executable, "-m", "tools.dead_letters", "list"]
    frozen = broker.program if isinstance(broker, KafkaServer) else None
    if frozen is None:
        # The embedded broker is a part of this process, so a dead address stands for it.
        pipeline.stop_api()
        pipeline.environment["KAFKA_BROKERS"] = "127.0.0.1:9"
        pipeline.start_api()
        wait_for(lambda: pipeline.api and pipeline.api.tail)
        wait_for(lambda: not _refused(pipeline))
    else:
        frozen.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(10) as callers:
            began = time.monotonic()
            answers = [callers.submit(_ask, pipeline, "/dead-letters") for _ in range(10)]
            # While they wait, the health routes answer.
            for path in ("/health", "/status", "/metrics"):
                asked = time.monotonic()
                assert _ask(pipeline, path).status_code == 200, path
                assert time.monotonic() - asked < 5, path
            statuses = [answer.result() for answer in answers]
            assert {answer.status_code for answer in statuses} == {503}
            assert time.monotonic() - began < 8
        assert any("too many" in answer.text for answer in statuses)
        _assert_ctrl_c_ends(tool, pipeline)
        assert pipeline.api is not None
        began = time.monotonic()
        pipeline.api.send(signal.SIGTERM)
        pipeline.api.process.wait(10)
        assert time.monotonic() - began < 10
        assert pipeline.api.process.returncode in STOP_CODES
    finally:
        if frozen is not None:
            frozen.send(signal.SIGCONT)


def _ask(pipeline: Pipeline, path: str) -> httpx.Response:
    return httpx.get(pipeline.url + path, headers={"X-API-Key": KEY}, timeout=20)


def _refused(pipeline: Pipeline) -> bool:
    try:
        return _ask(pipeline, "/health").status_code != 200
    except httpx.TransportError:
        return True


def _assert_ctrl_c_ends(tool: list[str], pipeline: Pipeline) -> None:
    environment = {**os.environ, **pipeline.environment}
    with subprocess.Popen(tool, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        # It waits for Kafka by then; before that, Ctrl-C ends it too.
        ends = threading.Event()
        ends.wait(2.0)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
        assert (process.returncode, said) == (130, "dead_letters: interrupted\n")
        assert time.monotonic() - began < 3
