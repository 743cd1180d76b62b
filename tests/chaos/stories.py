"""The inputs of a storm as the verifier sees them: read from the topics, product by product."""

import json
from typing import Any

from tests.support.pipeline import Message, Pipeline

WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}
FUTURE_MAX_MS = 300_000

Position = tuple[int, int]


class Story:
    """The inputs of one product: events, overrides and catalogue messages with their positions, and the number of
    commands. `entries` has None for a removal."""

    def __init__(self) -> None:
        self.events: list[tuple[Position, dict[str, Any]]] = []
        self.sets: list[tuple[Position, dict[str, Any]]] = []
        self.entries: list[tuple[Position, dict[str, Any] | None]] = []
        self.commands = 0

    @property
    def demand(self) -> float:
        """Return the demand of all events together, without half-life."""
        return sum(WEIGHTS[event["event_type"]] for _, event in self.events)


def read_input(pipeline: Pipeline, events: list[Message]) -> tuple[dict[str, Story], set[Position]]:
    """Return product to its inputs, and the positions of messages that must become dead letters. events: all
    messages of `product-events`."""
    stories: dict[str, Story] = {}
    bad: set[Position] = set()
    for message in _in_order(events):
        event = _usable(message)
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
    for message in _in_order(pipeline.read("product-catalogue")):
        story = stories.setdefault((message.key or b"").decode(), Story())
        story.entries.append(((message.partition, message.offset), message.json()))
    return stories, bad


def _in_order(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: (message.partition, message.offset))


def _usable(message: Message) -> dict[str, Any] | None:
    try:
        event = json.loads(message.value or b"")
    except ValueError:
        return None
    if event.get("event_type") not in WEIGHTS:
        return None
    return event if event["timestamp"] * 1000 <= message.time_ms + FUTURE_MAX_MS else None
