"""docs/websocket.md: its examples are messages that the API sends and takes, and none is missing."""

import json
import re

import msgspec

from api.live.subscription import KeyForm, Problem, Pulse, parse_subscription, subscribe_parser
from api.pricing import live
from api.pricing.price_feed import encode_withdrawal
from tests.support.pipeline import ROOT

TEXT = (ROOT / "docs" / "websocket.md").read_text(encoding="utf-8")
EXAMPLES = [msgspec.json.decode(text) for text in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
GOLDEN = (
    (ROOT / "tests" / "flows" / "pricing" / "golden" / "pricing.jsonl").read_text(encoding="utf-8").splitlines()
)


def examples(kind: str) -> list[dict[str, object]]:
    return [example for example in EXAMPLES if example["type"] == kind]


def test_every_kind_of_message_has_an_example() -> None:
    assert {example["type"] for example in EXAMPLES} == {
        "price_update",
        "price_withdrawn",
        "pulse",
        "error",
        "subscribe",
    }


def test_the_examples_of_updates_have_the_fields_of_an_update() -> None:
    update, snapshot = examples("price_update")
    sent = next(
        text for line in GOLDEN for text in msgspec.json.decode(line) if '"type":"price_update"' in str(text)
    )
    golden, _ = json.JSONDecoder().raw_decode(str(sent)[str(sent).index("{") :])
    assert set(update) == set(golden)
    assert set(snapshot) == {*update, "snapshot"}


def test_the_withdrawal_is_the_one_that_is_sent() -> None:
    (example,) = examples("price_withdrawn")
    assert msgspec.json.decode(encode_withdrawal("22086", 4900)) == example


def test_the_pulse_and_the_error_are_those_that_are_sent() -> None:
    for kind, struct in (("pulse", Pulse), ("error", Problem)):
        (example,) = examples(kind)
        assert msgspec.to_builtins(msgspec.convert(example, struct)) == example


def test_the_subscribe_message_is_one_that_is_taken() -> None:
    (example,) = examples("subscribe")
    assert subscribe_parser(KeyForm("product"))(msgspec.json.encode(example).decode()) == example["products"]


def test_every_parameter_is_in_the_table() -> None:
    assert live.router.routes
    listed = re.findall(r"^\| `(\w+)=", TEXT, re.MULTILINE)
    query = {"products": "A,B", "snapshot": "1", "conflate_ms": "50", "subscribe": "0"}
    assert set(listed) == set(query)
    parse_subscription(query, KeyForm("product"))
