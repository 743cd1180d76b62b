"""The messages of the market's topics: fields, order and numbers of the contract."""

import json

from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.state.shard import Shard
from market.ticks import Tick
from sinks.kafka.market import encode_bars, encode_ticks

AT_US = 1_723_161_255_342_123


def test_a_tick_and_its_bars_are_messages_of_the_contract() -> None:
    shard = Shard(MarketPolicy(), 60 * SECOND_US)
    first = Tick("BTC/USD", 6_183_763_000_000, 2_000_000, AT_US)
    second = Tick("BTC/USD", 6_307_438_260_001, 0, AT_US + SECOND_US)
    late = Tick("BTC/USD", 1, 0, AT_US - 61 * SECOND_US)
    enriched, bars = shard.apply([first, second, late])
    messages = [(key, json.loads(value)) for key, value in encode_ticks(enriched)]
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
    _, bars = Shard(MarketPolicy(), 60 * SECOND_US).apply([Tick("X", 1, 0, AT_US)])
    assert [json.loads(value)["vwap"] for _, value in encode_bars(bars)] == [None] * 5
