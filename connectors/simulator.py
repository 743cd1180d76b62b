"""`python -m connectors.simulator`: a seeded shop without data: Zipf-like popularity, a funnel, a daily rhythm."""

import argparse
import bisect
import itertools
import math
import random
import sys
import time
from collections.abc import Iterator

from confluent_kafka import KafkaException

from connectors.funnel import CARTS_PER_VIEW, PURCHASES_PER_VIEW
from connectors.pacing import EventProducer, Timed, add_pace_arguments, pace_of, start_tool
from connectors.topics import StoppedError

ZIPF_EXPONENT = 1.0
EVENTS_PER_S = 100.0
DAY_S = 86_400
# The quietest hour has a fifth of the average traffic, at four in the morning; the busiest 1.8 times.
RHYTHM_DEPTH = 0.8
QUIETEST_S = 4 * 3600


def simulate(products: int, seed: int, start_ms: int, events_per_s: float = EVENTS_PER_S) -> Iterator[Timed]:
    """An endless day of a shop: the same seed gives the same events.

    `events_per_s` is the average in event time; gaps are exponential, scaled by the daily rhythm."""
    generator = random.Random(seed)  # noqa: S311
    prices = [round(math.exp(generator.gauss(1.5, 1.0)), 2) or 0.01 for _ in range(products)]
    popularity = list(itertools.accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(products)))
    at_ms = float(start_ms)
    purchases, carts = PURCHASES_PER_VIEW, PURCHASES_PER_VIEW + CARTS_PER_VIEW
    while True:
        seconds = at_ms / 1000 % DAY_S
        rhythm = 1 - RHYTHM_DEPTH * math.cos(2 * math.pi * (seconds - QUIETEST_S) / DAY_S)
        at_ms += generator.expovariate(events_per_s * rhythm) * 1000
        product = bisect.bisect_left(popularity, generator.random() * popularity[-1])
        chance = generator.random() * (1 + carts)
        event_type = "purchase" if chance < purchases else "cart" if chance < carts else "view"
        event: dict[str, object] = {
            "event_type": event_type,
            "product_id": f"P{product:06d}",
            "timestamp": int(at_ms),
            "price": prices[product],
        }
        if event_type == "purchase":
            event["quantity"] = generator.randint(1, 5)
        yield int(at_ms), f"P{product:06d}", event


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    settings, stop = start_tool()
    topic = options.topic or settings.product_events_topic
    events = simulate(options.products, options.seed, time.time_ns() // 1_000_000)
    try:
        producer = EventProducer(settings, stop)
        limited = events if options.loop else itertools.islice(events, options.events)
        total = None if options.loop else options.events
        sent = producer.send_paced(topic, limited, total, pace_of(options))
        producer.close()
    except StoppedError:
        return 0
    except (OSError, KafkaException) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    print(f"simulator: {sent} events sent to {topic}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.simulator", description=__doc__.split(": ", 1)[1])
    parser.add_argument("--products", type=_count, default=1000, help="how many products (default: 1000)")
    parser.add_argument("--events", type=_count, default=100_000, help="how many events (default: 100000)")
    parser.add_argument("--loop", action="store_true", help="go on until stopped")
    add_pace_arguments(parser, 1.0)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events (default: 1)")
    parser.add_argument("--topic", help="default: PRODUCT_EVENTS_TOPIC")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 0 < value <= 10**9:
        raise argparse.ArgumentTypeError("takes a whole number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
