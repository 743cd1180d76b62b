"""The commands: training, forecasts and evaluation of files, and what they say of bad ones."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.timestamps import DAY_MS
from forecasting import evaluate, predict, train
from forecasting.calendar import weekday
from forecasting.commands import day_text, moment_of, moment_text
from forecasting.features import hour_features, recent_rows
from forecasting.model import ModelError
from forecasting.replay import Replay
from forecasting.serving.session import load_model
from forecasting.training.recordings import read_demand
from tests.support.small_model import UNTIL, trained_model
from tests.support.small_shop import START, START_MS, demand_of_shop, write_invoices


def forecasts(folder: Path, history: Path, out: Path, *at: str, horizon: str = "day") -> list[dict[str, str]]:
    arguments = ["--model", str(folder), "--history", str(history), "--at", *at, "--horizon", horizon]
    assert predict.main([*arguments, "--out", str(out)]) == 0
    with out.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def invoices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_invoices(tmp_path_factory.mktemp("shop") / "invoices.csv", demand_of_shop())


def test_training_writes_a_model_with_its_report(model_folder: Path) -> None:
    assert {path.name for path in model_folder.iterdir()} == {
        *("model.onnx", "model.json", "report.html", "report.json", "said.txt")
    }
    about = load_model(model_folder).about
    assert (about.data_from, about.data_until) == ("2011-01-03", day_text(UNTIL))
    assert about.version == about.sha256[:12]
    assert [gate.name for gate in about.gates if not gate.passed] != [] or all(gate.passed for gate in about.gates)
    report = json.loads((model_folder / "report.json").read_bytes())
    assert report["last"] == day_text(UNTIL)
    assert {"model", "seasonal naive", "exponential smoothing", "Croston", "TSB"} <= report["days"].keys()
    assert 0 < report["days"]["model"]["pinball"] < report["days"]["seasonal naive"]["pinball"]
    page = (model_folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    said = (model_folder / "said.txt").read_text(encoding="utf-8")
    assert "of a model that did not know these days" in said


def test_the_same_seed_gives_the_same_model(model_folder: Path, tmp_path: Path) -> None:
    again = trained_model(tmp_path)
    for name in ("model.onnx", "model.json", "report.json", "report.html"):
        assert (again / name).read_bytes() == (model_folder / name).read_bytes(), name


def test_days_are_forecast_for_all_that_sold_in_four_weeks(
    model_folder: Path, invoices: Path, tmp_path: Path
) -> None:
    at = day_text(START + 140)
    rows = forecasts(model_folder, invoices, tmp_path / "out.csv", at)
    start_ms = START_MS + 140 * DAY_MS
    recent = {each.product_id for each in demand_of_shop() if start_ms - 28 * DAY_MS <= each.at_ms < start_ms}
    assert {row["product_id"] for row in rows} == recent
    assert {(row["made_at"], row["start"], row["horizon"]) for row in rows} == {(f"{at}T00:00:00Z",) * 2 + ("day",)}
    for row in rows:
        assert 0 <= float(row["p10"]) <= float(row["p50"]) <= float(row["p90"])
    actual = sum(
        each.units
        for each in demand_of_shop()
        if start_ms <= each.at_ms < start_ms + DAY_MS and each.cancelled_at_ms is None
    )
    assert sum(float(row["mean"]) for row in rows) == pytest.approx(actual, rel=0.3)


def test_a_closed_day_is_forecast_as_nothing_and_midday_as_the_day_after(
    model_folder: Path, invoices: Path, tmp_path: Path
) -> None:
    friday = next(day for day in range(START + 130, START + 140) if weekday(day) == 4)
    rows = forecasts(
        model_folder, invoices, tmp_path / "out.csv", f"{day_text(friday)} 12:00", f"{day_text(friday)}"
    )
    by_start = {(row["made_at"], row["start"][:10]) for row in rows}
    assert by_start == {
        (f"{day_text(friday)}T00:00:00Z", day_text(friday)),
        (f"{day_text(friday)}T12:00:00Z", day_text(friday + 1)),
    }
    closed = [float(row["p90"]) for row in rows if row["start"].startswith(day_text(friday + 1))]
    assert closed
    assert set(closed) == {0}
    quiet = forecasts(
        model_folder, invoices, tmp_path / "hour.csv", f"{day_text(friday)}T03:00:00Z", horizon="hour"
    )
    assert {float(row["mean"]) for row in quiet} == {0}
    busy = forecasts(
        model_folder, invoices, tmp_path / "hour.csv", f"{day_text(friday)}T11:00Z"[:16], horizon="hour"
    )
    assert sum(float(row["mean"]) for row in busy) > 0


def test_forecasts_use_nothing_from_their_moment_on(model_folder: Path, invoices: Path, tmp_path: Path) -> None:
    at_ms = START_MS + 120 * DAY_MS
    cut = tuple(
        each
        for each in demand_of_shop()
        if each.at_ms < at_ms and (each.cancelled_at_ms is None or each.cancelled_at_ms < at_ms)
    )
    short = write_invoices(tmp_path / "short.csv", cut)
    for horizon in ("day", "hour"):
        at = moment_text(at_ms)
        forecasts(model_folder, invoices, tmp_path / "all.csv", at, horizon=horizon)
        forecasts(model_folder, short, tmp_path / "short_out.csv", at, horizon=horizon)
        assert (tmp_path / "all.csv").read_bytes() == (tmp_path / "short_out.csv").read_bytes()


def test_evaluation_prints_scores_and_writes_a_report(
    model_folder: Path, invoices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(model_folder), "--data", str(invoices)]
    period = ["--from", day_text(START + 100), "--to", day_text(START + 119)]
    assert evaluate.main([*arguments, *period, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "pinball, to the best simple method" in printed
    assert "Next hour, whole shop" in printed
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["days"]["seasonal naive"]["rows"] == report["days"]["model"]["rows"]
    assert (tmp_path / "report.html").exists()


def test_bad_files_and_dates_are_one_line_and_code_2(
    model_folder: Path, invoices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("InvoiceNo,StockCode\n1,2\n", encoding="utf-8")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(invoices.read_bytes())[:2000])
    words = tmp_path / "words.txt"
    words.write_text("x", encoding="utf-8")
    free = tmp_path / "free.jsonl"
    free.write_text('{"event_type": "view", "product_id": "p", "timestamp": 1300000000}\n', encoding="utf-8")
    odd = tmp_path / "odd.jsonl"
    odd.write_text('{"event_type": "purchase", "product_id": "p"}\n', encoding="utf-8")
    model, out, at = ["--model", str(model_folder)], ["--out", str(tmp_path / "o")], day_text(START + 100)
    data = ["--data", str(invoices)]
    cases = [
        (train, ["--data", str(tmp_path / "none.csv"), "--until", at, *out], "none.csv: No such file"),
        (train, ["--data", str(broken), "--until", at, *out], "broken.csv, line 1"),
        (train, ["--data", str(cut), "--until", at, *out], "cut.csv.gz"),
        (train, ["--data", str(words), "--until", at, *out], "takes .csv"),
        (train, ["--data", str(free), "--until", at, *out], "no line is a sale"),
        (train, ["--data", str(odd), "--until", at, *out], "odd.jsonl, line 1"),
        (train, [*data, "--until", "2010-01-01", *out], "no sale until 2010-01-01"),
        (train, [*data, "--until", day_text(START + 20), *out], "more than 28 days"),
        (evaluate, [*model, *data, "--from", at, "--to", "2011-02-01"], "begins after its end"),
        (evaluate, [*model, *data, "--from", "2011-01-04", "--to", at], "begins before 2011-01-31"),
        (evaluate, [*model, *data, "--from", at, "--to", "2012-02-01"], "ends after the last sale"),
        (evaluate, ["--model", str(tmp_path), *data, "--from", at, "--to", at], "model.json: No such file"),
        (
            predict,
            [*model, "--history", str(invoices), "--at", "2010-01-01", "--horizon", "day", *out],
            "no sale before 2010-01-01T00:00:00Z",
        ),
        (
            predict,
            [*model, "--history", str(invoices), "--at", "2011-03-01T10:00:30Z", "--horizon", "day", *out],
            "whole minutes",
        ),
        (
            predict,
            [*model, "--history", str(invoices), "--at", at, "--horizon", "day", "--out", str(tmp_path / "no/o")],
            "No such file",
        ),
    ]
    for command, arguments, expected in cases:
        assert command.main(arguments) == 2, expected
        said = capsys.readouterr().err
        assert expected in said
        assert said.count("\n") == 1, said
    for command, arguments in (
        (train, [*data, "--until", "31.10.2011", *out]),
        (predict, [*model, "--history", str(invoices), "--at", "noon", "--horizon", "day", *out]),
    ):
        with pytest.raises(SystemExit, match="2"):
            command.main(arguments)
        said = capsys.readouterr().err
        assert "takes a " in said
        assert said.count("\n") == 1, said


def test_a_damaged_model_is_said_to_be_damaged(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(model_folder, folder)
    raw = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(raw[:-7])
    with pytest.raises(ModelError, match="may be damaged"):
        load_model(folder)
    (folder / "model.onnx").write_bytes(raw)
    about = json.loads((folder / "model.json").read_bytes())
    about["features"]["day"][0] = "other"
    (folder / "model.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ModelError, match="train it again"):
        load_model(folder)
    (folder / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json"):
        load_model(folder)


def test_a_model_gives_the_same_bits_alone_and_in_a_batch(model_folder: Path) -> None:
    model = load_model(model_folder)
    history = Replay(demand_of_shop()).until(START_MS + 100 * DAY_MS + DAY_MS // 2)
    rows = recent_rows(history)
    together = model.forecast("hour", hour_features(history, rows))
    for place, row in enumerate(rows):
        alone = model.forecast("hour", hour_features(history, np.array([row])))
        assert (alone.p90[0], alone.mean[0]) == (together.p90[place], together.mean[place])


def test_recorded_messages_count_once_and_can_be_taken_back(tmp_path: Path) -> None:
    lines = [
        {"event_type": "purchase", "product_id": "a", "timestamp": 1300000000, "quantity": 2, "price": 3.5},
        {"event_type": "booking", "product_id": "ride:1", "timestamp": 1300000100, "event_id": "e", "user_id": "u"},
        {"event_type": "booking", "product_id": "ride:1", "timestamp": 1300000160, "event_id": "e", "user_id": "u"},
        {"event_type": "search", "product_id": "ride:1", "timestamp": 1300000200},
        {"event_type": "cancel", "product_id": "ride:1", "timestamp": 1300000300, "user_id": "u"},
    ]
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(line) for line in lines).encode()))
    more = tmp_path / "more.jsonl"
    more.write_text(
        "\n".join(
            json.dumps(line)
            for line in (
                {**lines[1], "timestamp": 1300000130},
                {"event_type": "purchase", "product_id": 7, "timestamp": 1300001000, "quantity": 2.5, "user_id": 3},
                {"event_type": "cancel", "product_id": "7", "timestamp": 1300002000, "user_id": "3"},
            )
        ),
        encoding="utf-8",
    )
    both = [(each.product_id, each.units, each.cancelled_at_ms) for each in read_demand([path, more])]
    assert both == [("a", 2, None), ("ride:1", 1, 1300000300000), ("7", 2, 1300002000000)]
    found = [(each.product_id, each.units, each.price, each.cancelled_at_ms) for each in read_demand([path])]
    assert found == [("a", 2, 3.5, None), ("ride:1", 1, None, 1300000300000)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2011-10-31", "2011-10-31T00:00:00Z"),
        ("2011-10-31 09:30", "2011-10-31T09:30:00Z"),
        ("2011-10-31T09:30:00", "2011-10-31T09:30:00Z"),
        ("2011-10-31T09:30:00+02:00", "2011-10-31T07:30:00Z"),
    ],
)
def test_moments_are_read_in_several_forms(text: str, expected: str) -> None:
    assert moment_text(moment_of(text)) == expected
