"""The market's routes and WebSockets on real servers."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from tests.support.market_pipeline import MarketPipeline
from tests.support.pipeline import KEY, wait_for

AT_S = 1_723_161_255
BTC = quote("BTC/USD", safe="")
ADMIN = {"X-API-Key": KEY}


def text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.fixture
def traded(market: MarketPipeline) -> MarketPipeline:
    """A market with 10 ticks of BTC/USD a minute apart, one of ETH, and one of a name that looks like a route."""
    market.start_flow()
    market.start_api()
    for n in range(10):
        market.tick("BTC/USD", 100 + n if n < 9 else 120, AT_S + 60 * n, 2)
    market.tick("ETH", 7, AT_S)
    market.tick("A/history", 3, AT_S)
    market.flush()
    market.wait_for_ticks(12)
    wait_for(market.api_ready, what=market.output)
    wait_for(lambda: len(market.redis.smembers("symbols")) == 3)
    market.wait_for_bar("BTC/USD", 10)
    return market


def test_current_prices(traded: MarketPipeline) -> None:
    get = traded.http.get
    page = get("/market/symbols").json()
    assert page["next_cursor"] is None
    assert [each["symbol"] for each in page["symbols"]] == ["A/history", "BTC/USD", "ETH"]
    btc = page["symbols"][1]
    assert btc == {
        "symbol": "BTC/USD",
        "price": 120.0,
        "volume": 2.0,
        "timestamp": text(AT_S + 540),
        "change_percent": pytest.approx(120 / 106 * 100 - 100),
        "is_anomaly": True,
        "seq": 10,
    }
    assert [each["symbol"] for each in get("/market/symbols?search=bt").json()["symbols"]] == ["BTC/USD"]
    first = get("/market/symbols?limit=1").json()
    assert [each["symbol"] for each in first["symbols"]] == ["A/history"]
    second = get("/market/symbols", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [each["symbol"] for each in second["symbols"]] == ["BTC/USD", "ETH"]
    price = get(f"/market/prices/{BTC}").json()
    assert price == {
        "symbol": "BTC/USD",
        "price": 120.0,
        "volume": 2.0,
        "timestamp": text(AT_S + 540),
        "is_anomaly": True,
        "ma_1m": 120.0,
        "ma_5m": 109.2,
        "vol_1m": 2.0,
        "seq": 10,
    }
    answer = get(f"/market/price/{BTC}").json()
    assert (answer["data"], answer["success"]) == ({"symbol": "BTC/USD", "price": 120.0}, True)
    assert get("/market/prices").json()["data"] == {"A/history": 3.0, "BTC/USD": 120.0, "ETH": 7.0}
    assert get(f"/market/price/history/{BTC}/3").json()["data"] == [120.0, 108.0, 107.0]
    # A slash that is not encoded, as behind some proxies, and a symbol that ends like a route.
    assert get("/market/prices/BTC/USD").json() == price
    assert get(f"/market/prices/{quote('A/history', safe='')}").json()["price"] == 3.0
    for path in ("/market/prices/X", "/market/price/X", "/market/price/history/X/3", "/market/bars/X"):
        assert (get(path).status_code, list(get(path).json())) == (404, ["error"]), path
    for path in (
        "/market/prices/a%20b",
        "/market/price/history/ETH/0",
        "/market/prices/ETH/history?limit=0",
        "/market/prices/ETH/history?from=yesterday",
        "/market/bars/ETH?interval=2m",
        "/market/symbols?limit=0",
        "/market/symbols?cursor=%21",
        "/market/anomalies?symbol=a%20b",
        # A character that looks like a slash.
        "/market/prices/BTC%E2%88%95USD",
        "/market/prices/BTC%E2%88%95USD%2FX",
    ):
        assert (get(path).status_code, list(get(path).json())) == (400, ["error"]), path


def test_a_tick_that_redis_has_lost_is_written_again(traded: MarketPipeline) -> None:
    get = traded.http.get
    for key, path in (
        ("tick:ETH", "/market/prices/ETH"),
        ("ticks:BTC/USD", f"/market/price/history/{BTC}/3"),
    ):
        whole = get(path).json()
        traded.redis.delete(key)
        assert get(path).status_code == 503
        wait_for(lambda key=key: traded.redis.exists(key))  # type: ignore[misc]
        assert get(path).json() == whole
    # The list of a page asks too.
    traded.redis.delete("tick:A/history")
    wait_for(lambda: len(get("/market/symbols").json()["symbols"]) == 3)


def test_past_ticks_bars_and_anomalies(traded: MarketPipeline) -> None:
    get = traded.http.get
    history = get(f"/market/prices/{BTC}/history?limit=5000").json()
    assert (history["symbol"], history["limit"], history["count"]) == ("BTC/USD", 1000, 10)
    assert [each["price"] for each in history["history"][:2]] == [120.0, 108.0]
    assert list(history["history"][0]) == [
        *("symbol", "price", "volume", "timestamp", "is_anomaly", "ma_1m", "ma_5m", "vol_1m")
    ]
    times = {"from": text(AT_S + 60), "to": text(AT_S + 180)}
    part = get(f"/market/prices/{BTC}/history", params=times).json()
    assert [each["timestamp"] for each in part["history"]] == [text(AT_S + 120), text(AT_S + 60)]
    bars = get(f"/market/bars/{BTC}?interval=1m&limit=2").json()
    assert (bars["interval_s"], [each["close"] for each in bars["bars"]]) == (60, [108.0, 120.0])
    start = AT_S // 60 * 60
    assert bars["bars"][1] == {
        "start": start + 540,
        **dict.fromkeys(("open", "high", "low", "close"), 120.0),
        "volume": 2.0,
        "trades": 1,
        "vwap": 120.0,
        "is_final": False,
    }
    auto = get(f"/market/bars/{BTC}?interval=auto&points=9").json()
    assert auto["interval_s"] == 300
    assert get(f"/market/bars/{BTC}?interval=auto&points=10").json()["interval_s"] == 60
    anomalies = get("/market/anomalies").json()["anomalies"]
    assert [(each["symbol"], each["kind"], each["price"]) for each in anomalies] == [("BTC/USD", "jump", 120.0)]
    assert get("/market/anomalies?symbol=ETH").json() == {"anomalies": []}


def test_websockets(traded: MarketPipeline) -> None:
    base = traded.url.replace("http", "ws")
    with connect(f"{base}/ws/ticks?symbols=BTC/USD&snapshot=1") as ticks, connect(f"{base}/market/ws") as simple:
        snapshot = json.loads(ticks.recv(10))
        assert (snapshot.pop("snapshot"), snapshot["seq"], snapshot["price"]) == (True, 10, 120.0)
        traded.tick("BTC/USD", 121, AT_S + 541)
        traded.tick("BTC/USD", 1, AT_S)
        traded.flush()
        frame, late = json.loads(ticks.recv(10)), json.loads(ticks.recv(10))
        assert list(frame) == list(snapshot)
        assert (frame["type"], frame["seq"], frame["is_late"], late["is_late"]) == ("tick", 11, False, True)
        expected = {"symbol": "BTC/USD", "price": 121.0, "timestamp": text(AT_S + 541)}
        assert json.loads(simple.recv(10)) == expected


def test_rules_fire_alerts(traded: MarketPipeline) -> None:
    http = traded.http
    assert http.get("/market/rules").status_code == http.post("/market/rules", json={}).status_code == 401
    # A message that the flow refuses is no rule, and stops neither of them.
    unusable = {"id": "x", "symbol": "ETH", "kind": "above", "threshold": "NaN"}
    traded.send("market-rules", "x", unusable)
    traded.flush()
    body = {"symbol": "ETH", "kind": "above", "threshold": 7.5}
    rule = http.post("/market/rules", json=body, headers=ADMIN).json()
    assert rule == {"id": rule["id"], **body, "window_s": None, "webhook": None}
    assert http.get("/market/rules", headers=ADMIN).json() == {"rules": [rule]}
    # A threshold keeps digits that a double has not.
    digits = '"threshold":12345.678901234567891'
    exact = http.post("/market/rules", content=f'{{"symbol":"ETH","kind":"above",{digits}}}', headers=ADMIN)
    assert digits in exact.text
    assert http.delete(f"/market/rules/{exact.json()['id']}", headers=ADMIN).status_code == 200
    for bad in (
        {"symbol": "ETH", "kind": "above"},
        {"symbol": "a b", "kind": "above", "threshold": 1},
        {"symbol": "ETH", "kind": "sideways", "threshold": 1},
        {"symbol": "ETH", "kind": "above", "threshold": 0},
        {"symbol": "ETH", "kind": "move_percent", "threshold": 1, "window_s": 0},
        {"symbol": "ETH", "kind": "above", "threshold": 1, "webhook": "http://127.0.0.1/"},
    ):
        assert http.post("/market/rules", json=bad, headers=ADMIN).status_code == 400, bad
    # In force within a second.
    for n, price in enumerate((7.5, 7.51, 8, 7, 9)):
        traded.tick("ETH", price, AT_S + 1 + n)
    traded.flush()

    def alerts() -> list[dict[str, object]]:
        found: list[dict[str, object]] = http.get("/market/alerts?symbol=ETH").json()["alerts"]
        return found if len(found) == 2 else []

    newest, first = wait_for(alerts, what=traded.output)
    assert first == {
        "type": "alert",
        "id": f"{rule['id']}-3",
        "symbol": "ETH",
        "kind": "above",
        "severity": "warning",
        "at": text(AT_S + 2),
        "text": "price 7.51 is above 7.5",
        "value": 7.51,
        "threshold": 7.5,
    }
    assert newest["value"] == 9.0
    assert http.get("/market/alerts?symbol=BTC/USD").json() == {"alerts": []}
    path = f"/market/rules/{rule['id']}"
    assert http.delete(path, headers=ADMIN).json() == {"id": rule["id"], "deleted": True}
    assert http.delete(path, headers=ADMIN).status_code == 404
    assert http.get("/market/rules", headers=ADMIN).json() == {"rules": []}
