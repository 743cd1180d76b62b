"""The market's flow on real servers: what it writes, and what stays right after a crash."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from tests.support.market_pipeline import MarketPipeline
from tests.support.pipeline import wait_for

AT_S = 1_723_161_255


def test_ticks_reach_all_outputs(market: MarketPipeline) -> None:
    market.start_flow()
    listener = market.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe("stock_updates")
    assert listener.get_message(timeout=5) is None
    market.tick("BTC/USD", "61837.63", AT_S, "0.02")
    market.tick("BTC/USD", 63074.3826, AT_S + 1, 0)
    market.tick("BTC/USD", 1, AT_S - 60)
    market.flush()
    # Ticks of two topics come in any order.
    market.wait_for_ticks(3)
    market.send("stock_prices", None, {"symbol": "BTC/USD", "price": 7, "timestamp": "2024-08-09T00:00:00.5Z"})
    market.send("price_ticks", "BTC/USD", {"symbol": "BTC/USD", "price": 0, "ts": AT_S})
    market.flush()
    market.wait_for_ticks(4)
    first, second, late, other = sorted(market.ticks("*"), key=lambda row: row[11])
    at = datetime.fromtimestamp(AT_S, UTC)
    price = Decimal("61837.63000000")
    assert first[:12] == (
        *("BTC/USD", price, Decimal("0.02000000"), at, price, price, price, Decimal("0.02000000")),
        *(False, "[]", False, 1),
    )
    assert (second[8], [each["kind"] for each in json.loads(second[9])], second[11]) == (False, [], 2)
    assert (late[1], late[4:8], late[10]) == (Decimal("1.00000000"), (None, None, None, None), True)
    assert (other[2], other[12]) == (0, market.topics["stock_prices"])
    market.wait_for_bar("BTC/USD", 3)
    bar = market.bars("open, high, low, close, volume, trades, is_final")
    assert (Decimal("61837.63000000"), Decimal("63074.38260000"), *bar[0][2:]) == bar[0]
    kept = wait_for(lambda: market.redis.hgetall("tick:BTC/USD"))
    assert {name: kept[name] for name in ("price", "volume", "ts", "is_anomaly", "seq")} == {
        "price": "7.0",
        "volume": "0.0",
        "ts": "2024-08-09T00:00:00.500000Z",
        "is_anomaly": "1",
        "seq": "4",
    }
    assert market.redis.smembers("symbols") == {"BTC/USD"}
    listed = [json.loads(each) for each in market.redis.lrange("ticks:BTC/USD", 0, -1)]
    assert [(each["price"], each["seq"]) for each in listed] == [(7.0, 4), (63074.3826, 2), (61837.63, 1)]
    published = [json.loads(listener.get_message(timeout=5)["data"])["price"] for _ in range(3)]
    assert published == [61837.63, 63074.3826, 7.0]
    enriched = [message.json() for message in market.read("ticks-enriched")]
    assert [each["seq"] for each in enriched] == [1, 2, 3, 4]
    assert {message.key for message in market.read("price-bars")} == {b"BTC/USD"}
    letter = wait_for(lambda: market.read("dead-letters"))[0].json()
    assert letter["error_code"] == "bad_price"
    market.stop_flow()
