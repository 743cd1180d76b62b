"""The independent verifier: it computes the expected outputs from the inputs by a fold of its own, and compares.

For products without overrides and catalogue messages, every row, version, update and price is known exactly. A
late event under a policy that only counts it has no row and no update.

For products with overrides, the order is not known: events and overrides come on different topics, in the order of
their arrival. So the verifier checks that each event and each override counted exactly once, that every row's price
follows from the numbers in the row, and that the final state is right.

For products with catalogue messages, versions are not known either, because a restart decides them once more with
a version above all before. All outputs must end at the same version and the same price, and that price must be the
one that follows from all inputs.

For products with stock, clicks and competitors, Redis must end with the result of a fold of the topics, and all
outputs at the same version and price."""

import contextlib
from bisect import bisect
from math import sqrt
from typing import Any

from pricing.policy import parse_policy
from tests.chaos.catalogued import check_newest, check_rows, final_prices, in_time_events, newest_of_all
from tests.chaos.generations import Generations
from tests.chaos.signalled import PRODUCTS as SIGNALLED
from tests.chaos.signalled import check_signals
from tests.chaos.stories import WEIGHTS, Position, Story, read_input
from tests.chaos.watcher import Watcher
from tests.support.pipeline import Pipeline, wait_for

POLICIES = {
    "plain": "",
    "steeper": "[demand]\nfactor = 7\n[stock]\nlow_factor = 1.2\nhigh_factor = 0.9\n[competitor]\nfactor = 0.99\n",
    "late": '[demand]\nlate_events = "count"\n',
}
FACTORS: dict[str, float] = {
    parse_policy(text).version: factor for text, factor in zip(POLICIES.values(), (5, 7, 5), strict=True)
}
LATE = parse_policy(POLICIES["late"]).version
"""Under this policy, a late event makes no row and no update."""
WITHIN_S = 90.0
SHOWN = 10


def check(pipeline: Pipeline, watcher: Watcher, generations: Generations) -> None:
    """Wait until all outputs are there, then compare. Raises AssertionError with the first differences."""
    stories, bad = read_input(pipeline, generations.messages())
    plain = {name: story for name, story in stories.items() if not story.commands and not story.entries}
    touched = {name: story for name, story in stories.items() if story.commands}
    catalogued = {name: story for name, story in stories.items() if story.entries and name not in SIGNALLED}
    assert plain
    for name, story in plain.items():
        pipeline.wait_for_version(name, len(story.events), WITHIN_S)
    sets = sum(len(story.sets) for story in touched.values())
    wait_for(lambda: len(pipeline.overrides()) >= sets, WITHIN_S, "rows of overrides")
    wait_for(lambda: _settled(pipeline, touched), WITHIN_S, "overridden products to count every event")
    in_time = {position for story in plain.values() for position in in_time_events(story)}
    wait_for(lambda: _event_rows(pipeline, generations) >= in_time, WITHIN_S, "rows of history")
    differing: list[str] = []

    def agree() -> bool:
        differing[:] = _check_catalogued(pipeline, catalogued) + check_signals(pipeline)
        return not differing

    with contextlib.suppress(AssertionError):
        # The differences that remain are reported with all others. Not compared again at the end: the flow may have
        # started a moment ago, and publish prices once more between two reads.
        wait_for(agree, WITHIN_S)
    wait_for(lambda: _letters(pipeline, generations) >= bad, WITHIN_S, "dead letters")

    problems: list[str] = []
    rows = _all_rows(pipeline, generations)
    policies = PolicyByOffset(rows)
    of: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault(row["product_id"], []).append(row)
    for name, story in plain.items():
        problems += _check_plain(name, story, of.get(name, []), policies)
        problems += _check_latest(pipeline, name, story, of.get(name, []))
    updates = [message.json() for message in pipeline.read("price-updates")]
    for name, story in touched.items():
        withdrawn = _withdrawn(name, updates, of.get(name, []))
        problems += _check_touched(pipeline, name, story, of.get(name, []), withdrawn)
    for name, story in catalogued.items():
        problems += check_rows(name, story, of.get(name, []), FACTORS)
    problems += differing
    problems += _check_updates(updates, {name: of.get(name, []) for name in plain})
    if letters := _letters(pipeline, generations) ^ bad:
        problems.append(f"dead letters: {letters}")
    problems += _check_watcher(pipeline, watcher, stories)
    assert not problems, f"{len(problems)} differences, the first:\n" + "\n".join(problems[:SHOWN])


def _all_rows(pipeline: Pipeline, generations: Generations) -> list[dict[str, Any]]:
    names = (
        "product_id",
        "price",
        "demand",
        "version",
        "price_source",
        "policy",
        "adjustments",
        "cause",
        "source_topic",
        "source_partition",
        "source_offset",
    )
    rows = [dict(zip(names, row, strict=True)) for row in pipeline.history(", ".join(names))]
    for row in rows:
        row["source_partition"] = generations.partition_of(row["source_topic"], row["source_partition"])
    return rows


def _event_rows(pipeline: Pipeline, generations: Generations) -> set[Position]:
    columns = "cause, source_topic, source_partition, source_offset"
    return {
        (generations.partition_of(topic, partition), offset)
        for cause, topic, partition, offset in pipeline.history(columns)
        if cause == "event"
    }


def _check_catalogued(pipeline: Pipeline, catalogued: dict[str, Story]) -> list[str]:
    newest, factors = newest_of_all(pipeline, list(catalogued)), set(FACTORS.values())
    return [each for name, story in catalogued.items() for each in check_newest(name, story, newest[name], factors)]


def _price(row: dict[str, Any], event_price: float) -> float:
    return round(event_price + sqrt(row["demand"]) * FACTORS[row["policy"]], 2)


class PolicyByOffset:
    """The policy that an event was decided under, by the rows of its neighbours in its partition. It only changes
    at clean stops, so it is the same over a range of offsets."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        found: dict[int, list[tuple[int, str]]] = {}
        for row in rows:
            if row["cause"] == "event":
                found.setdefault(row["source_partition"], []).append((row["source_offset"], row["policy"]))
        self._rows = {partition: sorted(each) for partition, each in found.items()}

    def may_be(self, policy: str, position: Position) -> bool:
        """Return True if a neighbour was decided under this policy, or a neighbour is missing."""
        rows = self._rows.get(position[0], [])
        index = bisect(rows, (position[1], ""))
        neighbours = rows[max(0, index - 1) : index + 1]
        return len(neighbours) < 2 or any(found == policy for _, found in neighbours)


def _check_plain(name: str, story: Story, rows: list[dict[str, Any]], policies: PolicyByOffset) -> list[str]:
    problems = []
    by_position = {(row["source_partition"], row["source_offset"]): row for row in rows}
    if len(by_position) != len(rows):
        problems.append(f"{name}: {len(rows)} rows at {len(by_position)} positions")
    demand, base_time = 0.0, 0
    for version, (position, event) in enumerate(story.events, 1):
        demand += WEIGHTS[event["event_type"]]
        is_late = event["timestamp"] < base_time
        row = by_position.pop(position, None)
        if row is None:
            if not is_late or not policies.may_be(LATE, position):
                problems.append(f"{name}: no row for {event} at {position}")
            continue
        base_time = event["timestamp"]
        found = row["version"], row["demand"], float(row["price"])
        expected = version, demand, _price(row, event["price"])
        if found != expected or row["cause"] != "event":
            problems.append(f"{name}: row {found}, expected {expected}")
        if is_late and row["policy"] == LATE:
            problems.append(f"{name}: a late event has the row {row}")
    return problems + [f"{name}: a row without an event, {row}" for row in by_position.values()]


def _check_latest(pipeline: Pipeline, name: str, story: Story, rows: list[dict[str, Any]]) -> list[str]:
    """Redis has the last price of a product that only events change."""
    stored: Any = pipeline.redis.hgetall(f"price:{name}")
    if not story.events and not stored:
        return []
    newest = max(rows, key=lambda row: int(row["version"]), default=None)
    expected = len(story.events), story.demand, newest and float(newest["price"])
    found = stored and (int(stored["version"]), float(stored["demand"]), float(stored["price"]))
    return [] if found == expected else [f"{name}: Redis has {stored}, expected {expected}"]


def _withdrawn(name: str, updates: list[dict[str, Any]], rows: list[dict[str, Any]]) -> int:
    """The number of versions that withdrew the price of a product, and so have no row: an override ended on a
    product that nothing else knew."""
    withdrawals = {
        update["version"]
        for update in updates
        if update["product_id"] == name and update["type"] == "price_withdrawn"
    }
    causes = [row["cause"] for row in rows]
    ends = causes.count("override_removed") + causes.count("override_expired")
    # After a crash, events may come before the end, which then has a row.
    return min(len(withdrawals - {row["version"] for row in rows}), causes.count("override_set") - ends)


def _check_touched(
    pipeline: Pipeline, name: str, story: Story, rows: list[dict[str, Any]], withdrawn: int
) -> list[str]:
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
    active = pipeline.redis.hgetall(f"override:{name}")
    if not stored and not active and not story.events:
        # Its override has ended, and nothing else knows the product.
        return problems
    counted = len(story.events) + sum(1 for cause, _ in seen if cause != "event") + withdrawn
    if int(stored["version"]) != counted or float(stored["demand"]) != story.demand:
        problems.append(
            f"{name}: Redis has version {stored['version']}, demand {stored['demand']};"
            f" expected {counted}, {story.demand};"
            f" rows: {[(row['version'], row['cause']) for row in rows if row['cause'] != 'event'][-12:]}"
        )
    if bool(active) != (stored["price_source"] == "override"):
        problems.append(f"{name}: source {stored['price_source']}, override {active}")
    if active and story.sets:
        last = float(story.sets[-1][1]["override_price"])
        if float(stored["price"]) != last:
            problems.append(f"{name}: price {stored['price']} under the override {last}")
    if not active and story.events:
        expected = final_prices(story, FACTORS[stored["policy"]])
        if float(stored["price"]) not in expected:
            problems.append(f"{name}: price {stored['price']} at the end, expected {expected}")
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


def _check_updates(updates: list[dict[str, Any]], plain: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Every row must have an update, and every update a row. plain: product to its rows."""
    versions: dict[str, set[int]] = {}
    for update in updates:
        assert update["type"] == "price_update" or update["product_id"] not in plain, update
        versions.setdefault(update["product_id"], set()).add(update["version"])
    problems = []
    for name, rows in plain.items():
        missing = versions.get(name, set()) ^ {row["version"] for row in rows}
        if missing:
            problems.append(f"{name}: an update without a row, or a row without an update: {sorted(missing)[:20]}")
    return problems


def _letters(pipeline: Pipeline, generations: Generations) -> set[Position]:
    sources = [message.json()["source"] for message in pipeline.read("dead-letters")]
    return {
        (generations.partition_of(source["topic"], source["partition"]), source["offset"])
        for source in sources
        if generations.has(source["topic"])
    }


def _check_watcher(pipeline: Pipeline, watcher: Watcher, stories: dict[str, Story]) -> list[str]:
    """The client must have the same price as Redis for every product."""

    def differing() -> list[str]:
        found = []
        for name in stories:
            price: Any = pipeline.redis.hget(f"price:{name}", "price")
            seen = watcher.latest.get(name)
            if price is None and (stories[name].entries or not stories[name].events):
                # It was withdrawn, which this client sees with its next snapshot only.
                continue
            if seen is None or seen[1] != float(price):
                found.append(f"{name}: a WebSocket client has {seen}, Redis {price}")
        return found

    try:
        wait_for(lambda: not differing(), 20)
    except AssertionError:
        return differing()
    return [f"a WebSocket client saw an older version: {update}" for update in watcher.backwards]
