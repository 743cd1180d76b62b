"""The messages of the market's topics: fields, order and numbers of the contract."""

import json

from market.alerts import Alert
from market.applied import Applied
from market.batches import TickBatch
from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.state.lane import Lane
from market.state.shard import Shard
from market.state.symbol import Limits
from market.ticks import Tick
from sinks.kafka.market import encode_alerts, encode_bars, encode_deliveries, encode_ticks

AT_US = 1_723_161_255_342_123


def apply(ticks: list[Tick]) -> tuple[Applied, Applied]:
    """Return the results of ticks, and the bars that they changed."""
    lane = Lane(watches_silence=False)
    lane.hold(0, Shard(MarketPolicy(), Limits()))
    zeros = [0] * len(ticks)
    return lane.apply(TickBatch("t", zeros, zeros, ticks, zeros), 0), Applied(bars=lane.take_bars())


def test_a_tick_and_its_bars_are_messages_of_the_contract() -> None:
    first = Tick("BTC/USD", 6_183_763_000_000, 2_000_000, AT_US)
    second = Tick("BTC/USD", 6_307_438_260_001, 0, AT_US + SECOND_US)
    late = Tick("BTC/USD", 1, 0, AT_US - 61 * SECOND_US)
    applied, bars = apply([first, second, late])
    messages = [(key, json.loads(value)) for key, value in encode_ticks(applied)]
    assert {key for key, _ in messages} == {b"BTC/USD"}
    assert list(messages[0][1].items()) == [
        ("type", "tick"),
        ("symbol", "BTC/USD"),
        ("price", 61837.63),
        ("volume", 0.02),
        ("timestamp", "2024-08-08T23:54:15.342123Z"),
        ("ts_us", AT_US),
        ("seq", 1),
        ("ma_1m", 61837.63),
        ("ma_5m", 61837.63),
        ("vol_1m", 0.02),
        ("vwap_1m", 61837.63),
        ("is_anomaly", False),
        ("is_late", False),
        ("anomalies", []),
    ]
    # 2.00000000002 % above the one before.
    (jump,) = messages[1][1]["anomalies"]
    assert jump == {"kind": "jump", "severity": "warning", "text": "+2.00 % from the tick before"}
    assert messages[1][1]["is_anomaly"]
    # The mean is 62456.006300005, rounded half to even.
    assert messages[1][1]["ma_1m"] == 62456.0063
    unknown = ("ma_1m", "ma_5m", "vol_1m", "vwap_1m")
    assert {name: messages[2][1][name] for name in unknown} == dict.fromkeys(unknown)
    assert (messages[2][1]["is_late"], messages[2][1]["seq"], messages[2][1]["price"]) == (True, 3, 1e-08)
    (key, value), *_ = encode_bars(bars)
    assert key == b"BTC/USD"
    assert list(json.loads(value).items()) == [
        ("type", "bar"),
        ("symbol", "BTC/USD"),
        ("interval_s", 60),
        ("start", 1_723_161_240),
        ("open", 61837.63),
        ("high", 63074.38260001),
        ("low", 61837.63),
        ("close", 63074.38260001),
        ("volume", 0.02),
        ("trades", 2),
        ("vwap", 61837.63),
        ("is_final", False),
        ("version", 2),
    ]


def test_a_bar_without_volume_has_no_average_by_volume() -> None:
    _, bars = apply([Tick("X", 1, 0, AT_US)])
    assert [json.loads(value)["vwap"] for _, value in encode_bars(bars)] == [None] * 5


def test_an_alert_is_a_message_and_a_delivery_to_its_webhook() -> None:
    alert = Alert("r-7", "X", "above", "warning", AT_US, "price 2 is above 1.5", 2.0, 1.5, "https://x/y")
    quiet = Alert("X-silence-7", "X", "silence", "warning", AT_US, "no tick for 5 s", None, 5.0)
    first, second = encode_alerts(Applied(alerts=[alert, quiet]))
    message = {
        "type": "alert",
        "id": "r-7",
        "symbol": "X",
        "kind": "above",
        "severity": "warning",
        "at": "2024-08-08T23:54:15.342123Z",
        "text": "price 2 is above 1.5",
        "value": 2.0,
        "threshold": 1.5,
    }
    assert (first[0], json.loads(first[1])) == (b"X", message)
    assert json.loads(second[1])["value"] is None
    ((key, value),) = encode_deliveries(Applied(alerts=[alert, quiet]))
    delivery = {"id": "r-7", "url": "https://x/y", "at": message["at"], "alert": message}
    assert (key, json.loads(value)) == (b"r-7", delivery)
