"""A comparison of a pipeline's outputs with the fold, row by row."""

from tests.support.fold import Expected, fold
from tests.support.pipeline import Pipeline, wait_for


def assert_matches_fold(pipeline: Pipeline) -> Expected:
    """Wait for all outputs, then compare every history row, update, price in Redis and dead letter: none may be
    missing or doubled. Returns the expected outputs. Raises AssertionError."""
    expected = fold(pipeline.read("product-events"))
    pipeline.wait_for_history(len(expected.history), 90)
    for product, (_, _, version) in expected.latest.items():
        pipeline.wait_for_version(product, version)

    columns = "product_id, price, demand, version, source_topic, source_partition, source_offset, cause"
    rows = pipeline.history(columns)
    topic = pipeline.topics["product-events"]
    found = {
        ("product-events", partition, offset): (product, float(price), demand, version)
        for product, price, demand, version, source, partition, offset, cause in rows
        if source == topic and cause == "event"
    }
    assert len(rows) == len(found), "rows that are not events, or doubled"
    assert found == expected.history

    wait_for(lambda: len(pipeline.updates()) >= len(expected.history), what="updates")
    updates: dict[str, list[tuple[int, float, float | None, float, int]]] = {}
    for update in pipeline.updates():
        price, seconds = update["new_price"], update["timestamp"]
        assert round(sum(a["amount"] for a in update["adjustments"]), 2) == price
        updates.setdefault(update["product_id"], []).append(
            (update["version"], price, update["previous_price"], update["demand"], seconds)
        )
    assert updates == expected.updates

    for product, (price, demand, version) in expected.latest.items():
        stored = pipeline.redis.hgetall(f"price:{product}")
        assert isinstance(stored, dict)
        latest = float(stored["price"]), float(stored["demand"]), int(stored["version"])
        assert latest == (price, demand, version), product

    wait_for(lambda: len(_letters(pipeline)) >= len(expected.bad), what="dead letters")
    assert _letters(pipeline) == expected.bad
    return expected


def _letters(pipeline: Pipeline) -> set[tuple[int, int]]:
    letters = [message.json() for message in pipeline.read("dead-letters")]
    return {(letter["source"]["partition"], letter["source"]["offset"]) for letter in letters}
