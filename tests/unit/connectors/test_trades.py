"""Trades of a market: ticks have the digits of the file, and a broken file is one line that names the place."""

import gzip
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from connectors.decode.market import TickKind, decode_tick
from connectors.generators.tables import Table
from connectors.generators.timed import Timed, shifts
from connectors.generators.trades import COLUMNS, ticks_of_trades, trades_of
from market.ticks import Tick
from settings import load_settings
from tools import replay

HEAD = ",".join(COLUMNS) + "\n"
TRADE = "1723161255342,BTCUSDT,3735683259,61837.63,0.02\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "trades.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(autouse=True)
def _no_signal_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "start_tool", lambda: (load_settings(), threading.Event()))


def ticks(path: Path, shift_ms: int = 0) -> list[Timed]:
    return list(ticks_of_trades(list(trades_of(Table(path))), shift_ms))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_trade_becomes_a_tick_with_its_own_digits(file: Callable[[str | bytes], Path], compressed: bool) -> None:
    raw = (HEAD + "1723161255342, BRK.B ,1,9999999999.12345678,1234567890.87654320\r\n").encode()
    ((at_ms, key, event),) = ticks(file(gzip.compress(raw) if compressed else raw))
    value = msgspec.json.encode(event)
    assert value == (
        b'{"symbol":"BRK.B","price":9999999999.12345678,"volume":1234567890.87654320,"ts":1723161255342}'
    )
    assert (at_ms, key) == (1_723_161_255_342, "BRK.B")
    assert decode_tick(TickKind.PRICE_TICKS, value) == Tick(
        "BRK.B", 999_999_999_912_345_678, 123_456_789_087_654_320, 1_723_161_255_342_000
    )


def test_ticks_follow_event_time_and_those_of_one_millisecond_the_file(
    file: Callable[[str | bytes], Path],
) -> None:
    rows = [(1723161255343, "A", 1), (1723161255342, "B", 2), (1723161255343, "C", 3), (1723161255342, "D", 4)]
    path = file(HEAD + "".join(f"{at_ms},{symbol},{number},1,1\n" for at_ms, symbol, number in rows))
    assert [(at_ms - 1723161255000, key) for at_ms, key, _ in ticks(path, 5)] == [
        (347, "B"),
        (347, "D"),
        (348, "A"),
        (348, "C"),
    ]
    assert [event["ts"] for _, _, event in ticks(path, 5)] == [1723161255347] * 2 + [1723161255348] * 2


def test_each_round_begins_after_the_last_one_ended() -> None:
    times = [5000, 6999, 5500]
    assert list(shifts(times, 1000, loop=False)) == [0]
    rounds = shifts(times, 1000, loop=True)
    assert [next(rounds) for _ in range(3)] == [0, 2000, 4000]
    # A time that both rounds had would be in the order of neither.
    rounds = shifts([5000, 7000], 1000, loop=True)
    assert [next(rounds) for _ in range(3)] == [0, 3000, 6000]


BROKEN = {
    HEAD: "trades.csv: there is no line after the columns",
    HEAD.replace("volume", "size") + TRADE: "line 1: takes the columns InvoiceNo,",
    HEAD + TRADE + "1723161255611,ETH": "trades.csv, line 3: takes 5 columns and has 2; it may be cut off",
    HEAD + TRADE + "\n" + TRADE[:-1] + ",more\n": "trades.csv, line 4: takes 5 columns and has 6",
    HEAD + TRADE + '1723161255611,"ETH': "trades.csv, line 3: unexpected end of data",
    HEAD + TRADE.replace("BTCUSDT", "BTC USDT"): "line 2: symbol takes 1 to 32 letters, digits and _.:^=/-, not",
    HEAD + TRADE.replace("BTCUSDT", ""): "line 2: symbol takes",
    HEAD + TRADE.replace("61837.63", "0.000000001"): "line 2: price takes a number above 0, such as 2683.8, not",
    HEAD + TRADE.replace("61837.63", "-1"): "line 2: price takes a number, such as 2683.8; '-1' is below 0",
    HEAD + TRADE.replace("61837.63", "1e10"): "line 2: price takes a number, such as 2683.8; '1e10' is above",
    HEAD + TRADE.replace("61837.63", "nan"): "line 2: price takes a number, such as 2683.8; 'nan' is not a number",
    HEAD + TRADE.replace("61837.63", "007"): "line 2: price takes",
    HEAD + TRADE.replace("0.02", ""): "line 2: volume takes a number, such as 2683.8; '' is not a number",
    HEAD + TRADE.replace("0.02", "+1"): "line 2: volume takes",
    HEAD
    + TRADE.replace("1723161255342", "1723161255"): "line 2: ts_ms takes milliseconds since 1970, from 2000 to",
    HEAD + TRADE.replace("1723161255342", "1723161255342000"): "line 2: ts_ms takes",
    HEAD + TRADE.replace("1723161255342", "1723161255342.5"): "line 2: ts_ms takes",
    HEAD + TRADE.replace("1723161255342", "٣" * 13): "line 2: ts_ms takes",
}


@pytest.mark.parametrize(("content", "text"), BROKEN.items())
def test_a_broken_file_is_one_line_that_names_the_place(
    file: Callable[[str | bytes], Path], content: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.main([str(file(content))]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("replay: ")
    assert printed.err.count("\n") == 1
    assert text in printed.err
