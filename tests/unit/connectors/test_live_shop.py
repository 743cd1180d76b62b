"""The simulated shop with stock: one seed gives the same events, all are usable, and customers react to prices."""

import itertools
import json
from typing import Any

from connectors.decode.pricing import decode_catalogue
from connectors.decode.sales import decode_order
from connectors.decode.signals import ProductSignalKind, decode_signal
from connectors.decode.wire import RawMessage
from connectors.generators.live_shop import ORDER_TIME, REORDER_AT, LiveShop
from core.dead_letter import DeadLetter
from pricing.inventory import StockMove
from sales.orders import OrderChange

START_MS = 1_723_161_255_342
KINDS = {
    "event_time": ProductSignalKind.CLICKS,
    "ts": ProductSignalKind.COMPETITORS,
    "purchase_time": ProductSignalKind.PURCHASES,
    "restock_time": ProductSignalKind.RESTOCKS,
}


def shop(factor: float | None = None, seed: int = 1, elasticity: float = 1.5) -> LiveShop:
    """Make a shop in which all prices are this multiple of the base price."""
    bases: dict[str, Any] = {}
    made = LiveShop(40, seed, lambda name: None if factor is None else factor * bases[name], elasticity=elasticity)
    bases.update({key: row["base_price"] for key, row in made.catalogue()})
    return made


def events(count: int, made: LiveShop) -> list[dict[str, Any]]:
    return [event for _, _, event in itertools.islice(made.events(START_MS), count)]


def purchases(made: LiveShop) -> int:
    return sum("purchase_time" in event for event in events(20_000, made))


def test_the_same_seed_gives_the_same_events() -> None:
    assert events(500, shop()) == events(500, shop())
    assert events(500, shop()) != events(500, shop(seed=2))


def test_all_messages_are_usable_and_times_do_not_go_back() -> None:
    made = shop()
    for key, row in made.catalogue():
        change = decode_catalogue(RawMessage(0, key.encode(), json.dumps(row).encode(), START_MS))
        assert change.entry is not None
        assert change.entry.reorder_threshold == REORDER_AT
    seen = set()
    orders: list[str] = []
    before_ms = 0
    for at_ms, key, event in itertools.islice(made.events(START_MS), 5_000):
        assert at_ms >= before_ms
        before_ms = at_ms
        message = RawMessage(0, key.encode(), json.dumps(event).encode(), at_ms)
        if ORDER_TIME in event:
            ordered = decode_order(message, "orders", 0)
            assert isinstance(ordered, OrderChange)
            assert ordered.order is not None
            assert (ordered.order.product_id, ordered.order.time_ms) == (key, at_ms)
            orders.append(ordered.order_id)
            continue
        kind = KINDS[next(iter(event))]
        seen.add(kind)
        signal = decode_signal(kind, message, "t", 0)
        assert not isinstance(signal, DeadLetter), signal
        assert (signal.product_id, signal.time_s) == (key, at_ms // 1000)
        assert not isinstance(signal, StockMove) or signal.quantity != 0
    assert seen == {*KINDS.values()}
    assert len({*orders}) == len(orders) > 100


def test_customers_buy_less_at_a_higher_price() -> None:
    usual, dear, cheap = purchases(shop(1.0)), purchases(shop(1.25)), purchases(shop(0.8))
    assert dear < usual < cheap
    assert abs(purchases(shop()) - usual) < 0.1 * usual
    # (1.25 ** -1.5 is 0.72.)
    assert 0.6 < dear / usual < 0.85
    assert purchases(shop(1.25, elasticity=0.0)) > dear
