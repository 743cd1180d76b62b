"""Bad input: one dead letter each, with code, reason, position and raw bytes; the flow goes on."""

import base64
import json

from tests.pipeline import Pipeline, wait_for

GOOD = {"event_type": "view", "product_id": "A", "timestamp": 1_700_000_000, "price": 10.0}
TEXT = json.dumps(GOOD)
HUGE = json.dumps({**GOOD, "user_id": "x" * 2_000_000}).encode()
UGLY: list[tuple[bytes | None, str]] = [
    (b"\xff\xfe\xfd", "not_utf8"),
    (TEXT.replace("10.0", "NaN").encode(), "not_json"),
    (TEXT.replace("10.0", "1e400").encode(), "bad_price"),
    (TEXT.replace("10.0", '"10.0"').encode(), "wrong_type"),
    (TEXT.replace("10.0", "true").encode(), "wrong_type"),
    (HUGE, "too_large"),
    (None, "tombstone"),
    (TEXT.replace('"A"', '"a/b"').encode(), "bad_product_id"),
    (TEXT.replace('"A"', f'"{"x" * 65}"').encode(), "bad_product_id"),
    (TEXT.replace("1700000000", "95617584000").encode(), "bad_timestamp"),
    (TEXT.replace("view", "returned").encode(), "bad_event_type"),
    (b"", "not_json"),
    (b"[]", "not_object"),
    (b"{}", "missing_field"),
]


def test_every_bad_message_is_one_dead_letter_and_the_flow_goes_on(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    for raw, _ in UGLY:
        pipeline.send("product-events", "A", raw)
        pipeline.event("A", 10.0)
    pipeline.send("price-overrides", "A", {"product_id": "A", "override_price": -1, "reason": "r"})
    pipeline.send("product-catalogue", "A", b"nonsense")
    pipeline.flush()
    stored = pipeline.wait_for_version("A", len(UGLY))
    assert float(stored["demand"]) == len(UGLY)
    letters = wait_for(lambda: found if len(found := pipeline.read("dead-letters")) >= len(UGLY) + 2 else None)
    assert len(letters) == len(UGLY) + 2

    inputs = {(m.partition, m.offset): m.value for m in pipeline.read("product-events")}
    by_raw = dict(UGLY)
    seen = 0
    for message in letters:
        letter = message.json()
        assert list(letter) == ["error_code", "stage", "detail", "source", "raw", "raw_size", "at"]
        source = letter["source"]
        assert message.key == f"{source['topic']}:{source['partition']}:{source['offset']}".encode()
        if source["topic"] != pipeline.topics["product-events"]:
            continue
        seen += 1
        raw = inputs[source["partition"], source["offset"]]
        assert letter["error_code"] == by_raw[raw], letter["detail"]
        assert letter["raw_size"] == len(raw or b"")
        assert base64.b64decode(letter["raw"]) == (raw or b"")[: 512 * 1024]
    assert seen == len(UGLY)
    pipeline.stop_flow()
