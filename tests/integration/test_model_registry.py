"""The registry of models on a real Postgres."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import psycopg
import pytest

from core.errors import StoreError
from forecasting import models
from forecasting.gates import LIMITS, gate
from forecasting.model import ModelError
from forecasting.registry.registry import Registry
from forecasting.registry.stages import PromotionError
from forecasting.serving.session import AboutModel, load_model, read_files
from settings import Settings
from stack.postgres import PostgresServer
from tests.integration.test_databases import database
from tests.support.small_model import trained_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with database(postgres) as url:
        yield url


def good(trained: Path, name: str = "") -> tuple[bytes, bytes]:
    """The files of a model that passed its gates. name: makes another model of it."""
    about, raw = read_files(trained)
    known = msgspec.json.decode(about, type=AboutModel)
    gates = [gate(each, most) for each, (_, most) in LIMITS.items()]
    changed = msgspec.structs.replace(known, gates=gates, version=name or known.version)
    return msgspec.json.encode(changed), raw


def test_a_model_is_kept_and_comes_back_as_it_was(trained: Path, url: str) -> None:
    registry = Registry(url)
    assert (registry.models(), registry.changes()) == ([], [])
    about, raw = good(trained)
    change = registry.promote(about, raw, "live", who="Ann", why="first \\ model")
    assert (change.number, change.stage, change.why) == (1, "live", "first \\ model")
    assert registry.changes() == [change]
    mine, theirs = load_model(trained), registry.load(change.version)
    assert theirs.about.sha256 == mine.about.sha256
    vectors = np.zeros((3, len(mine.about.features["day"])), np.float32)
    assert theirs.ratios("day", vectors).tobytes() == mine.ratios("day", vectors).tobytes()
    ((model, known),) = registry.models()
    assert (model.version, known is not None and known.data_until) == (change.version, mine.about.data_until)
    # Once more: the files are there, the stage is new.
    assert registry.promote(about, raw, "live", who="Ann", why="again").number == 2
    with pytest.raises(PromotionError, match="is live"):
        registry.promote(about, raw, "canary", who="Ann", why="less", share=0.2)
    assert len(registry.models()) == 1


def test_a_model_that_fails_its_gates_may_only_be_watched(trained: Path, url: str) -> None:
    registry = Registry(url)
    about, raw = good(trained)
    failing = msgspec.json.decode(about, type=AboutModel)
    gates = [gate(name, 9.0) for name in LIMITS]
    bad = msgspec.json.encode(msgspec.structs.replace(failing, version="failing", gates=gates))
    for stage in ("canary", "live"):
        with pytest.raises(PromotionError, match="pinball, to the best simple method is 9"):
            registry.promote(bad, raw, stage, who="Ann", why="no")
    assert registry.models() == []
    assert registry.promote(bad, raw, "shadow", who="Ann", why="to watch").stage == "shadow"
    with pytest.raises(ModelError, match="may be damaged"):
        registry.promote(about, raw[:-1], "live", who="Ann", why="no")
    with pytest.raises(PromotionError, match="why takes one line"):
        registry.promote(about, raw, "live", who="Ann", why="two\nlines")
    with pytest.raises(PromotionError, match="share"):
        registry.promote(about, raw, "canary", who="Ann", why="all", share=1.0)


def test_of_two_changes_at_once_one_is_told(trained: Path, url: str) -> None:
    registry = Registry(url)
    about, raw = good(trained)
    registry.promote(about, raw, "live", who="Ann", why="first")

    def promote(number: int) -> str:
        try:
            return str(Registry(url).promote(about, raw, "live", who=f"w{number}", why="race").number)
        except PromotionError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(promote, range(4)))
    numbers = [int(each) for each in said if each.isdigit()]
    assert sorted(numbers) == list(range(2, 2 + len(numbers)))
    assert all("at the same time" in each for each in said if not each.isdigit())
    assert [each.number for each in registry.changes()] == list(range(1, 2 + len(numbers)))


def test_going_back_to_a_model_that_cannot_be_run_is_refused(trained: Path, url: str) -> None:
    registry = Registry(url)
    first = registry.promote(*good(trained, "first"), "live", who="Ann", why="first").version
    registry.promote(*good(trained, "second"), "live", who="Ann", why="second")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE forecast_parts SET content = '%%%' WHERE version = 'first' AND part = 2")
    with pytest.raises(ModelError, match="may be damaged"):
        registry.rollback(who="Ann", why="back")
    assert (registry.rollout().live, first) == ("second", "first")
    about, raw = good(trained, "second")
    changed = msgspec.structs.replace(msgspec.json.decode(about, type=AboutModel), seed=99)
    with pytest.raises(PromotionError, match="is registered with another model"):
        registry.promote(msgspec.json.encode(changed), raw, "live", who="Ann", why="other")


def test_a_damaged_row_is_a_model_error(trained: Path, url: str) -> None:
    registry = Registry(url)
    version = registry.promote(*good(trained), "live", who="Ann", why="first").version
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM forecast_parts WHERE file_name = 'model.onnx' AND part = 3")
    with pytest.raises(ModelError, match="may be damaged"):
        registry.load(version)
    with pytest.raises(ModelError, match="is not in the registry"):
        registry.load("unknown")
    with pytest.raises(StoreError):
        Registry("postgresql://127.0.0.1:1/none").changes()


def test_the_command(
    trained: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by = ["--by", "Ann", "--why", "test"]
    # It would keep the captured stream for the tests that follow.
    monkeypatch.setattr("telemetry.configure_logging", lambda *_: None)
    monkeypatch.setattr(models, "load_settings", lambda: Settings(_env_file=None))
    assert models.main(["list"]) == 2
    assert "HISTORY_URL" in capsys.readouterr().err
    monkeypatch.setattr(models, "load_settings", lambda: Settings(_env_file=None, history_url=url))
    assert models.main(["list"]) == 0
    assert "No model is registered" in capsys.readouterr().out
    passing, other = tmp_path / "passing", tmp_path / "other"
    for copy, name in ((passing, ""), (other, "other")):
        shutil.copytree(trained, copy)
        (copy / "model.json").write_bytes(good(trained, name)[0])
    version = load_model(passing).about.version
    assert models.main(["promote", str(trained), "--stage", "live", *by]) == 1
    assert "may only be a shadow" in capsys.readouterr().err
    assert models.main(["promote", str(tmp_path), "--stage", "live", *by]) == 2
    assert models.main(["promote", str(passing), "--stage", "live", *by]) == 0
    assert models.main(["promote", str(other), "--stage", "canary", "--share", "0.25", *by]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("model ")] == [
        f"model {version} is live (change 1)",
        "model other is canary for 25% of the products (change 2)",
    ]
    assert models.main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "canary (25%)" in printed
    assert "passed" in printed
    assert models.main(["list", "--json"]) == 0
    rows = {row["version"]: row for row in msgspec.json.decode(capsys.readouterr().out)}
    assert (rows["other"]["stage"], rows["other"]["share"], rows[version]["failed"]) == ("canary", 0.25, [])
    assert models.main(["rollback", *by]) == 0
    assert models.main(["rollback", *by]) == 0
    assert models.main(["rollback", *by]) == 1
    output = capsys.readouterr()
    assert [line for line in output.out.splitlines() if line.startswith("model ")] == [
        "model other is retired (change 3)",
        f"model {version} is retired (change 4)",
    ]
    assert "no model to go back to" in output.err
