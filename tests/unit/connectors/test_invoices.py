"""Invoice files: the layouts in which the data set is distributed, and one line for each file that is broken."""

import gzip
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.generators.invoices import COLUMNS, read_invoices
from settings import load_settings
from tests.support.pipeline import ROOT
from tools import replay

HEAD = ",".join(COLUMNS) + "\r\n"
EXPORT = HEAD + (
    '536365,22086,"PAPER CHAIN KIT, 50\'S £CHRISTMAS",6,12/1/2010 8:26,2.55,17850,United Kingdom\r\n'
    "C536379,D,Discount,-1,12/13/2010 17:05,27.5,,EIRE\r\n"
)
DAY = ROOT / "data" / "online-retail-2011-12-05.csv"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "invoices.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(autouse=True)
def _no_signal_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "start_tool", lambda: (load_settings(), threading.Event()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_export_of_the_data_set_is_read(
    file: Callable[[str | bytes], Path], encoding: str, compressed: bool
) -> None:
    raw = EXPORT.encode(encoding)
    sale, discount = read_invoices(file(gzip.compress(raw) if compressed else raw))
    assert sale.description == "PAPER CHAIN KIT, 50'S £CHRISTMAS"
    assert (sale.stock_code, sale.quantity, sale.price, sale.customer) == ("22086", 6, 2.55, "17850")
    assert sale.event_time_ms == datetime(2010, 12, 1, 8, 26, tzinfo=UTC).timestamp() * 1000
    assert discount.event_time_ms == datetime(2010, 12, 13, 17, 5, tzinfo=UTC).timestamp() * 1000
    assert (discount.quantity, discount.customer) == (-1, None)


def test_the_days_of_the_project_are_read() -> None:
    lines = list(read_invoices(DAY))
    assert len(lines) > 4000
    assert lines[0].event_time_ms == datetime(2011, 12, 5, 8, 38, tzinfo=UTC).timestamp() * 1000
    assert lines[0].customer == "14075"


LINE = "1,A,Mug,6,12/1/2010 8:26,2.55,17850,France\n"
BROKEN = {
    "": "invoices.csv: the file is empty",
    HEAD: "invoices.csv: there is no line after the columns",
    "a,b\n1,2\n": "invoices.csv, line 1: takes the columns InvoiceNo,",
    HEAD + LINE + "2,B,Mug,6,12/1/20": "invoices.csv, line 3: takes 8 columns and has 5; it may be cut off",
    HEAD + LINE[:-1] + ",more\n": "invoices.csv, line 2: takes 8 columns and has 9",
    HEAD + LINE + '2,B,"Mug': "invoices.csv, line 3: unexpected end of data",
    HEAD
    + LINE.replace("12/1/2010 8:26", "1.12.2010"): "line 2: InvoiceDate takes 2010-12-01 08:26:00 or 12/1/2010",
    HEAD + LINE.replace(",6,", ",six,"): "line 2: Quantity takes a whole number, such as 6, not 'six'",
    HEAD + LINE.replace("2.55", "nan"): "line 2: UnitPrice takes a number, such as 2.55, not 'nan'",
    HEAD + LINE.replace("2.55", "x"): "line 2: UnitPrice takes a number",
}


@pytest.mark.parametrize(("content", "text"), BROKEN.items())
def test_a_broken_file_is_one_line_that_names_the_place(
    file: Callable[[str | bytes], Path], content: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _assert_one_line([str(file(content))], text, capsys)


def test_files_that_are_no_csv_are_one_line(
    file: Callable[[str | bytes], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = gzip.compress(DAY.read_bytes())[:-20_000]
    _assert_one_line([str(file(cut))], "invoices.csv: the compressed file is cut off or damaged", capsys)
    _assert_one_line([str(file(EXPORT.encode("utf-16")))], "invoices.csv: this is no CSV in UTF-8", capsys)
    _assert_one_line([str(tmp_path)], "Is a directory", capsys)
    _assert_one_line([str(tmp_path / "none.csv")], "none.csv", capsys)


def _assert_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("replay: ")
    assert printed.err.count("\n") == 1
    assert text in printed.err
