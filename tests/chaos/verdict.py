"""The independent verifier: it computes the expected outputs from the inputs by a fold of its own, and compares.

For products without overrides, every row, version, update and price is known exactly.

For products with overrides, the order is not known: events and overrides come on different topics, in the order of
their arrival. So the verifier checks that each event and each override counted exactly once, that every row's price
follows from the numbers in the row, and that the final state is right."""

import json
from math import sqrt
from typing import Any

from pricing.policy import parse_policy
from tests.chaos.watcher import Watcher
from tests.support.pipeline import Message, Pipeline, wait_for

POLICIES = {"plain": "", "steeper": "[demand]\nfactor = 7\n"}
FACTORS = {parse_policy(text).version: factor for text, factor in zip(POLICIES.values(), (5, 7), strict=True)}
WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}
WITHIN_S = 90.0
SHOWN = 10

Position = tuple[int, int]


class Story:
    """The inputs of one product: events and overrides with their positions, and the number of commands."""

    def __init__(self) -> None:
        self.events: list[tuple[Position, dict[str, Any]]] = []
        self.sets: list[tuple[Position, dict[str, Any]]] = []
        self.commands = 0

    @property
    def demand(self) -> float:
        """Return the demand of all events together, without half-life."""
        return sum(WEIGHTS[event["event_type"]] for _, event in self.events)


def read_input(pipeline: Pipeline) -> tuple[dict[str, Story], set[Position]]:
    """Return product to its inputs, and the positions of messages that must become dead letters."""
    stories: dict[str, Story] = {}
    bad: set[Position] = set()
    for message in _in_order(pipeline.read("product-events")):
        event = _usable(message.value)
        if event is None:
            bad.add((message.partition, message.offset))
        else:
            story = stories.setdefault(event["product_id"], Story())
            story.events.append(((message.partition, message.offset), event))
    for message in _in_order(pipeline.read("price-overrides")):
        story = stories.setdefault((message.key or b"").decode(), Story())
        story.commands += 1
        if message.value is not None:
            story.sets.append(((message.partition, message.offset), message.json()))
    return stories, bad


def _in_order(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: (message.partition, message.offset))


def _usable(value: bytes | None) -> dict[str, Any] | None:
    try:
        event = json.loads(value or b"")
    except ValueError:
        return None
    return event if event.get("event_type") in WEIGHTS else None


def check(pipeline: Pipeline, watcher: Watcher) -> None:
    """Wait until all outputs are there, then compare. Raises AssertionError with the first differences."""
    stories, bad = read_input(pipeline)
    plain = {name: story for name, story in stories.items() if not story.commands}
    touched = {name: story for name, story in stories.items() if story.commands}
    assert plain
    for name, story in plain.items():
        pipeline.wait_for_version(name, len(story.events), WITHIN_S)
    sets = sum(len(story.sets) for story in touched.values())
    wait_for(lambda: len(pipeline.overrides()) >= sets, WITHIN_S, "rows of overrides")
    wait_for(lambda: _settled(pipeline, touched), WITHIN_S, "overridden products to count every event")
    expected_rows = sum(len(story.events) for story in plain.values())
    wait_for(lambda: len(_rows(pipeline, plain)) >= expected_rows, WITHIN_S, "rows of history")
    wait_for(lambda: _letters(pipeline) >= bad, WITHIN_S, "dead letters")

    problems: list[str] = []
    rows = _all_rows(pipeline)
    for name, story in plain.items():
        problems += _check_plain(name, story, [row for row in rows if row["product_id"] == name])
    for name, story in touched.items():
        problems += _check_touched(pipeline, name, story, [row for row in rows if row["product_id"] == name])
    problems += _check_updates(pipeline, plain)
    if _letters(pipeline) != bad:
        problems.append(f"dead letters: {_letters(pipeline) ^ bad}")
    problems += _check_watcher(pipeline, watcher, stories)
    assert not problems, f"{len(problems)} differences, the first:\n" + "\n".join(problems[:SHOWN])


def _all_rows(pipeline: Pipeline) -> list[dict[str, Any]]:
    names = (
        "product_id",
        "price",
        "demand",
        "version",
        "price_source",
        "policy",
        "adjustments",
        "cause",
        "source_partition",
        "source_offset",
    )
    return [dict(zip(names, row, strict=True)) for row in pipeline.history(", ".join(names))]


def _rows(pipeline: Pipeline, of: dict[str, Story]) -> list[dict[str, Any]]:
    return [row for row in _all_rows(pipeline) if row["product_id"] in of]


def _price(row: dict[str, Any], event_price: float) -> float:
    return round(event_price + sqrt(row["demand"]) * FACTORS[row["policy"]], 2)


def _check_plain(name: str, story: Story, rows: list[dict[str, Any]]) -> list[str]:
    problems = []
    if len(rows) != len(story.events):
        problems.append(f"{name}: {len(rows)} rows for {len(story.events)} events")
    demand = 0.0
    for version, ((position, event), row) in enumerate(zip(story.events, rows, strict=False), 1):
        demand += WEIGHTS[event["event_type"]]
        found = (row["source_partition"], row["source_offset"]), row["version"], row["demand"], float(row["price"])
        expected = position, version, demand, _price(row, event["price"])
        if found != expected or row["cause"] != "event":
            problems.append(f"{name}: row {found}, expected {expected}")
    return problems


def _check_touched(pipeline: Pipeline, name: str, story: Story, rows: list[dict[str, Any]]) -> list[str]:
    problems = []
    events = dict(story.events)
    seen: set[tuple[str, Position]] = set()
    for row in rows:
        position = row["source_partition"], row["source_offset"]
        if (row["cause"], position) in seen:
            problems.append(f"{name}: two rows for {row['cause']} at {position}")
        seen.add((row["cause"], position))
        total = round(sum(part["amount"] for part in row["adjustments"]), 2)
        if total != float(row["price"]):
            problems.append(f"{name}: amounts add up to {total}, the price is {row['price']}")
        if row["cause"] == "event" and float(row["price"]) != _price(row, events[position]["price"]):
            problems.append(f"{name}: price {row['price']} of {row}")
    set_rows = {position for cause, position in seen if cause == "override_set"}
    if set_rows != {position for position, _ in story.sets}:
        problems.append(f"{name}: overrides set at {sorted(set_rows)}, sent {story.sets}")
    stored: Any = pipeline.redis.hgetall(f"price:{name}")
    counted = len(story.events) + sum(1 for cause, _ in seen if cause != "event")
    if int(stored["version"]) != counted or float(stored["demand"]) != story.demand:
        problems.append(
            f"{name}: Redis has version {stored['version']}, demand {stored['demand']};"
            f" expected {counted}, {story.demand}"
        )
    active = pipeline.redis.hgetall(f"override:{name}")
    if bool(active) != (stored["price_source"] == "override"):
        problems.append(f"{name}: source {stored['price_source']}, override {active}")
    if active and story.sets:
        last = float(story.sets[-1][1]["override_price"])
        if float(stored["price"]) != last:
            problems.append(f"{name}: price {stored['price']} under the override {last}")
    if not active and story.events:
        factor = FACTORS[stored["policy"]]
        price = round(story.events[-1][1]["price"] + sqrt(story.demand) * factor, 2)
        if float(stored["price"]) != price:
            problems.append(f"{name}: price {stored['price']} at the end, expected {price}")
    return problems


def _settled(pipeline: Pipeline, stories: dict[str, Story]) -> bool:
    """Return True if every event has counted and every override with an end has ended."""
    return all(
        float(pipeline.redis.hget(f"price:{name}", "demand") or 0) == story.demand
        and _ended_as_told(pipeline, name, story)
        for name, story in stories.items()
    )


def _ended_as_told(pipeline: Pipeline, name: str, story: Story) -> bool:
    expires: Any = pipeline.redis.hget(f"override:{name}", "expires_at")
    return not expires


def _check_updates(pipeline: Pipeline, plain: dict[str, Story]) -> list[str]:
    """A reader that drops updates which are not newer must have seen every version once."""
    versions: dict[str, list[int]] = {}
    for update in pipeline.updates():
        versions.setdefault(update["product_id"], []).append(update["version"])
    return [
        f"{name}: updates have versions {versions.get(name, [])[:20]}…, expected 1 to {len(story.events)}"
        for name, story in plain.items()
        if versions.get(name) != list(range(1, len(story.events) + 1))
    ]


def _letters(pipeline: Pipeline) -> set[Position]:
    letters = [message.json() for message in pipeline.read("dead-letters")]
    topic = pipeline.topics["product-events"]
    return {
        (letter["source"]["partition"], letter["source"]["offset"])
        for letter in letters
        if letter["source"]["topic"] == topic
    }


def _check_watcher(pipeline: Pipeline, watcher: Watcher, stories: dict[str, Story]) -> list[str]:
    """The client must have the same price as Redis for every product."""

    def differing() -> list[str]:
        found = []
        for name in stories:
            price: Any = pipeline.redis.hget(f"price:{name}", "price")
            seen = watcher.latest.get(name)
            if seen is None or seen[1] != float(price):
                found.append(f"{name}: a WebSocket client has {seen}, Redis {price}")
        return found

    try:
        wait_for(lambda: not differing(), 20)
    except AssertionError:
        return differing()
    return [f"a WebSocket client saw an older version: {update}" for update in watcher.backwards]
