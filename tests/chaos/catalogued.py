"""The part of the verifier for products with catalogue messages: all outputs must end at the same, right price."""

from math import sqrt
from typing import Any

from tests.chaos.stories import Position, Story
from tests.support.pipeline import Pipeline

Newest = dict[str, tuple[int, float | None] | None]
"""Output to the version and the price that its reader ends with. The price is None if it was withdrawn. Both are
None if the reader has nothing."""


def in_time_events(story: Story) -> list[Position]:
    """Return the positions of events that are not older than one before. They have a row under every policy."""
    found, newest = [], 0
    for position, event in story.events:
        if event["timestamp"] >= newest:
            found.append(position)
            newest = event["timestamp"]
    return found


def final_prices(story: Story, factor: float) -> set[float]:
    """Return the prices that the product may end with. An event may have set the base price if it is the last, or
    if all later ones are older: such events only count if late events do not set prices."""
    bases, newest = set(), -1
    for _, event in reversed(story.events):
        if event["timestamp"] > newest:
            bases.add(event["price"])
            newest = event["timestamp"]
    return {round(price + sqrt(story.demand) * factor, 2) for price in bases}


def newest_of_all(pipeline: Pipeline, names: list[str]) -> dict[str, Newest]:
    """Return product to what a reader of each output ends with."""
    found: dict[str, Newest] = {name: {"redis": None, "updates": None, "history": None} for name in names}
    for message in pipeline.read("price-updates"):
        update = message.json()
        _newer(found, "updates", update["product_id"], update["version"], update.get("new_price"))
    for name, version, price in pipeline.history("product_id, version, price"):
        _newer(found, "history", name, version, float(price))
    for name in names:
        stored: Any = pipeline.redis.hgetall(f"price:{name}")
        if "price" in stored:
            _newer(found, "redis", name, int(stored["version"]), float(stored["price"]))
    return found


def _newer(found: dict[str, Newest], output: str, name: str, version: int, price: float | None) -> None:
    if name in found:
        before = found[name][output]
        # Of equal versions the first: a reader drops an update that is not newer.
        if before is None or version > before[0]:
            found[name][output] = version, price


def check_newest(name: str, story: Story, newest: Newest, factors: set[float]) -> list[str]:
    """Return the differences between the outputs, or between them and the price that follows from the inputs."""
    if story.events:
        expected = {price for factor in factors for price in final_prices(story, factor)}
    else:
        entry = story.entries[-1][1]
        if entry is None:
            seen = newest["updates"]
            gone = newest["redis"] is None and (seen is None or seen[1] is None)
            return [] if gone else [f"{name}: removed, but outputs end at {newest}"]
        expected = {round(entry["base_price"], 2)}
    ends = set(newest.values())
    if len(ends) != 1:
        return [f"{name}: outputs end differently: {newest}"]
    end = ends.pop()
    if end is None or end[1] not in expected:
        return [f"{name}: all outputs end at {end}, expected a price of {expected}"]
    return []


def check_rows(name: str, story: Story, rows: list[dict[str, Any]], factors: dict[str, float]) -> list[str]:
    """Return the differences between rows and inputs: each event in time has one row, and every price follows from
    the numbers in its row."""
    problems = []
    events, entries = dict(story.events), dict(story.entries)
    seen: set[tuple[str, Position]] = set()
    restored: set[int] = set()
    for row in rows:
        position, price = (row["source_partition"], row["source_offset"]), float(row["price"])
        if row["cause"] == "restored":
            # Two restarts may decide a product at the same position, with another version.
            if row["version"] in restored:
                problems.append(f"{name}: two rows for restored with version {row['version']}")
            restored.add(row["version"])
        elif (row["cause"], position) in seen:
            problems.append(f"{name}: two rows for {row['cause']} at {position}")
        seen.add((row["cause"], position))
        total = round(sum(part["amount"] for part in row["adjustments"]), 2)
        if total != price:
            problems.append(f"{name}: amounts add up to {total}, the price is {price}")
        entry = entries.get(position)
        if row["cause"] == "catalogue" and (entry is None or price != round(entry["base_price"], 2)):
            problems.append(f"{name}: price {price} of {entry}")
        if row["cause"] == "event":
            expected = round(events[position]["price"] + sqrt(row["demand"]) * factors[row["policy"]], 2)
            if price != expected:
                problems.append(f"{name}: price {price} at {position}, expected {expected}")
    missing = {("event", position) for position in in_time_events(story)} - seen
    return problems + [f"{name}: no row for {each}" for each in sorted(missing)]
