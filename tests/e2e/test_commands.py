"""The answers to commands are true: a reading that follows sees what was applied, and what is not known is said."""

import contextlib
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from stack.broker import EmbeddedBroker
from stack.kafka import KafkaServer
from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
ROUNDS = 12


@pytest.fixture
def running(pipeline: Pipeline) -> Iterator[Pipeline]:
    pipeline.start_api()
    pipeline.start_flow()
    wait_for(pipeline.api_ready)
    for product_id in "ABCD":
        pipeline.event(product_id, 10.0)
    pipeline.flush()
    for product_id in "ABCD":
        pipeline.wait_for_version(product_id, 1)
    yield pipeline
    pipeline.stop_flow()
    pipeline.stop_api()


def send(pipeline: Pipeline, method: str, path: str, body: Any = None) -> Any:
    answer = pipeline.http.request(method, path, json=body, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def price(pipeline: Pipeline, product_id: str) -> float:
    return float(pipeline.http.get(f"/price/{product_id}").json()["price"])


def set_at(pipeline: Pipeline) -> dict[str, str]:
    listed = send(pipeline, "GET", "/overrides")["overrides"]
    return {each["product_id"]: each["set_at"] for each in listed}


def test_a_reading_that_follows_a_command_sees_it(running: Pipeline) -> None:
    for amount in range(1, ROUNDS + 1):
        # So that an answer from memory is there, which the override must replace.
        assert price(running, "A") > 0
        body = {"product_id": "A", "override_price": amount + 0.5, "reason": "r"}
        assert send(running, "POST", "/override", body) == {**body, "status": "upserted"}
        assert price(running, "A") == amount + 0.5
    for _ in range(ROUNDS):
        assert send(running, "DELETE", "/override/A") == {"product_id": "A", "deleted": True}
        assert price(running, "A") == 15.0
        assert send(running, "GET", "/overrides") == {"overrides": []}
        send(running, "POST", "/override", {"product_id": "A", "override_price": 3})
        assert price(running, "A") == 3.0
    changes = [{"product_id": name, "override_price": 7} for name in "ABCD"]
    results = send(running, "POST", "/overrides", {"changes": changes})["results"]
    assert [each["status"] for each in results] == ["upserted"] * 4
    assert [price(running, name) for name in "ABCD"] == [7.0] * 4
    removed = send(running, "POST", "/overrides/remove", {"product_ids": list("ABCD")})["results"]
    assert [each["status"] for each in removed] == ["removed"] * 4
    assert [price(running, name) for name in "ABCD"] == [15.0] * 4
    for _ in range(3):
        frozen = send(running, "POST", "/freeze", {"scope": "all", "reason": "r"})
        assert frozen["status"] == "frozen"
        assert [each["scope"] for each in send(running, "GET", "/freezes")["freezes"]] == ["all"]
        # A person's override applies under a freeze, and is seen at once too.
        assert send(running, "POST", "/override", {"product_id": "B", "override_price": 4})["status"] == "upserted"
        assert price(running, "B") == 4.0
        assert send(running, "DELETE", "/freeze/all") == {"scope": "all", "lifted": True}
        assert send(running, "GET", "/freezes") == {"freezes": []}
    without_the_flow_a_command_is_accepted(running)


def without_the_flow_a_command_is_accepted(running: Pipeline) -> None:
    send(running, "POST", "/override", {"product_id": "C", "override_price": 3})
    running.stop_flow()
    body = {"product_id": "A", "override_price": 2.5, "reason": "r"}
    assert send(running, "POST", "/override", body) == {**body, "status": "accepted"}
    deleted = send(running, "DELETE", "/override/C")
    assert deleted == {"product_id": "C", "deleted": True, "status": "accepted"}
    # The override of A is not in Redis yet. That must not look like its removal.
    assert send(running, "DELETE", "/override/A")["status"] == "accepted"
    frozen = send(running, "POST", "/freeze", {"scope": "product:B", "reason": "r"})
    assert frozen == {"scope": "product:B", "reason": "r", "status": "accepted"}
    running.start_flow()
    wait_for(lambda: price(running, "C") == 15.0 and not {"A", "C"} & set(set_at(running)))
    wait_for(lambda: send(running, "GET", "/freezes")["freezes"])


def test_what_kafka_does_not_confirm_may_still_take_effect_and_can_be_found(
    running: Pipeline, broker: KafkaServer | EmbeddedBroker
) -> None:
    for name in "CD":
        send(running, "POST", "/override", {"product_id": name, "override_price": 3})
    send(running, "POST", "/freeze", {"scope": "product:A", "reason": "r"})
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/override", {"product_id": "A", "override_price": 2.5}),
        ("DELETE", "/override/C", None),
        ("POST", "/freeze", {"scope": "product:B", "reason": "r"}),
        ("DELETE", "/freeze/product:A", None),
        ("POST", "/overrides", {"changes": [{"product_id": "B", "override_price": 6}]}),
        ("POST", "/overrides/remove", {"product_ids": ["D"]}),
    ]
    assert broker.program is not None
    with ThreadPoolExecutor(len(requests)) as pool, contextlib.ExitStack() as stopped:
        broker.program.send(signal.SIGSTOP)
        stopped.callback(broker.program.send, signal.SIGCONT)
        futures: list[Future[httpx.Response]] = [
            pool.submit(running.http.request, method, path, json=body, headers=ADMIN)
            for method, path, body in requests
        ]
        answers = [future.result(20) for future in futures]
    assert [answer.status_code for answer in answers] == [503] * 4 + [200] * 2
    ids = [answer.headers["Command-Id"] for answer in answers[:4]]
    for answer, command_id in zip(answers[:4], ids, strict=True):
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].startswith("not confirmed: it may still take effect. Its id is " + command_id)
    (line,), (removal,) = (answer.json()["results"] for answer in answers[4:])
    assert (line["status"], removal["status"], removal["deleted"]) == ("not confirmed", "not confirmed", False)
    # A request was in a socket, so Kafka has it once it goes on. It is found by its id.
    told = {*ids, line["command_id"], removal["command_id"]}
    wait_for(lambda: told & seen(running), what=lambda: f"{told} in {seen(running)}")


def seen(pipeline: Pipeline) -> set[str | None]:
    """The ids of all commands that took effect, as the routes show them that the errors name."""
    overrides = send(pipeline, "GET", "/overrides")["overrides"]
    past = send(pipeline, "GET", "/overrides/audit")["overrides"]
    freezes = send(pipeline, "GET", "/freezes")["freezes"]
    lifted = send(pipeline, "GET", "/freezes/audit")["freezes"]
    ends = {each["removed_at"] for each in past} | {each["lifted_at"] for each in lifted}
    return {each["set_at"] for each in overrides + freezes} | ends
