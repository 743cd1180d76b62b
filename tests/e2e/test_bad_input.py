"""Bad input: each message becomes one dead letter with code, reason, position and raw bytes, and the flow goes
on."""

import base64
from collections import Counter

from connectors.decode.pricing import SignalKind
from tests.support.bad_messages import all_bad_messages
from tests.support.pipeline import Pipeline, wait_for

TOPICS = {
    SignalKind.PRODUCT_EVENTS: "product-events",
    SignalKind.OVERRIDES: "price-overrides",
    SignalKind.CATALOGUE: "product-catalogue",
    SignalKind.FREEZES: "price-freezes",
    SignalKind.CORRECTIONS: "product-corrections",
    SignalKind.EXTERNAL_EVENTS: "external-events",
}


def test_every_bad_message_is_one_dead_letter_and_the_flow_goes_on(pipeline: Pipeline) -> None:
    bad = all_bad_messages()
    assert len(bad) == 104
    expected: dict[tuple[str, bytes], list[str]] = {}
    pipeline.start_flow()
    for number, (kind, raw, code) in enumerate(bad):
        topic = TOPICS[kind]
        pipeline.send(topic, f"K{number}", raw)
        expected.setdefault((topic, raw or b""), []).append(code)
        pipeline.event("A", 10.0)
    pipeline.flush()
    stored = pipeline.wait_for_version("A", len(bad))
    assert float(stored["demand"]) == len(bad)
    letters = wait_for(lambda: found if len(found := pipeline.read("dead-letters")) >= len(bad) else None)
    assert len(letters) == len(bad)

    inputs = {(m.topic, m.partition, m.offset): m.value for topic in TOPICS.values() for m in pipeline.read(topic)}
    logical = {name: topic for topic, name in pipeline.topics.items()}
    codes: Counter[str] = Counter()
    for message in letters:
        letter = message.json()
        assert list(letter) == ["error_code", "stage", "detail", "source", "raw", "raw_size", "at"]
        source = letter["source"]
        assert message.key == f"{source['topic']}:{source['partition']}:{source['offset']}".encode()
        topic = logical[source["topic"]]
        raw = inputs[topic, source["partition"], source["offset"]] or b""
        assert letter["error_code"] in expected[topic, raw], letter["detail"]
        assert letter["detail"]
        assert letter["raw_size"] == len(raw)
        assert base64.b64decode(letter["raw"]) == raw[: 512 * 1024]
        codes[letter["error_code"]] += 1
    assert codes == Counter(str(code) for _, _, code in bad)
    pipeline.stop_flow()
