"""Quix Streams as its guides show it: a stateful function for each row, at least once, with its state in RocksDB.
It runs in an environment of its own (benchmarks/rows/requirements-quix.lock)."""

import os
from math import sqrt
from typing import Any

from quixstreams import Application, State

WEIGHTS = {"view": 1.0, "cart": 3.0, "purchase": 5.0}


def price(event: dict[str, Any], state: State) -> dict[str, Any]:
    """Add an event to the state of its product; returns the update."""
    demand, version, previous = state.get("product", (0.0, 0, None))
    demand += WEIGHTS[event["event_type"]]
    new = round(event["price"] + 5 * sqrt(demand), 2)
    state.set("product", (demand, version + 1, new))
    return {
        "type": "price_update",
        "product_id": event["product_id"],
        "new_price": new,
        "timestamp": event["timestamp"],
        "version": version + 1,
        "previous_price": previous,
        "demand": demand,
    }


def main() -> None:
    """Run the engine until it is stopped. Prints `ready` first."""
    application = Application(
        broker_address=os.environ["BROKERS"],
        consumer_group=os.environ["TARGET"],
        auto_offset_reset="earliest",
        auto_create_topics=True,
        use_changelog_topics=True,
        commit_interval=1.0,
        state_dir=os.environ["STATE"],
        consumer_extra_config={"fetch.wait.max.ms": 10},
        loglevel="WARNING",
    )
    source = application.topic(os.environ["SOURCE"], key_deserializer="str", value_deserializer="json")
    target = application.topic(os.environ["TARGET"], key_serializer="str", value_serializer="json")
    frame = application.dataframe(source)
    frame.apply(price, stateful=True).to_topic(target)
    print("ready", flush=True)
    application.run()


if __name__ == "__main__":
    main()
