"""The life of a recovery store: a flow without state starts only if it has had no earlier life, or is told to."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from core.errors import StartRefusedError
from dataflows.recovery.epochs import forget_uncommitted, stores_of
from dataflows.recovery.life import (
    Traces,
    choose_version_base,
    find_version_base,
    note_version_base,
)
from pricing.policy import default_policy
from pricing.state.shard import Shard
from tests.support.pricing_flow import Outputs, seeded_items
from tests.support.shards import apply
from tests.support.signals import entry, event, override

FOUND = Traces(messages=500, products=20, highest=77)


@pytest.fixture
def empty(tmp_path: Path) -> list[Path]:
    """A store that no flow has run on."""
    init_db_dir(tmp_path, 3)  # type: ignore[no-untyped-call]
    return stores_of(tmp_path)


def test_a_flow_without_traces_starts_at_version_1() -> None:
    assert choose_version_base(Traces(), start_over=False, place="here") == 0
    assert choose_version_base(Traces(), start_over=True, place="here") == 0


@pytest.mark.parametrize(
    ("traces", "says"),
    [
        (FOUND, "the group of its topics has read 500 messages and Redis holds prices of 20 products"),
        (Traces(messages=3), "the group of its topics has read 3 messages:"),
        (Traces(products=1, highest=1), "Redis holds prices of 1 products:"),
    ],
)
def test_traces_refuse_the_start_with_one_line_that_says_what_was_found(traces: Traces, says: str) -> None:
    with pytest.raises(StartRefusedError) as refused:
        choose_version_base(traces, start_over=False, place="the folder F")
    text = str(refused.value)
    assert text.startswith(f"the folder F has no state, but {says}")
    assert "START_OVER=yes" in text
    assert "\n" not in text


def test_a_flow_that_starts_over_counts_above_everything_before() -> None:
    first = choose_version_base(FOUND, start_over=True, place="here")
    assert first > 1_700_000_000_000_000
    assert choose_version_base(FOUND, start_over=True, place="here") > first
    # Also if the clock was wrong.
    late = 2**52
    assert choose_version_base(Traces(products=1, highest=late), start_over=True, place="here") >= late
    # Lua and JavaScript hold numbers up to 2^53 exactly.
    assert first < 2**53


def test_an_empty_store_has_no_state_until_a_flow_began(empty: list[Path], tmp_path: Path) -> None:
    assert find_version_base(empty) is None
    assert note_version_base(empty, 0) == 0
    # A crash before Bytewax has written anything is no lost state.
    assert find_version_base(empty) == 0
    for each in empty:
        each.unlink()
    init_db_dir(tmp_path, 3)  # type: ignore[no-untyped-call]
    assert find_version_base(empty) is None


def test_the_first_process_of_a_cluster_chooses_the_base(empty: list[Path]) -> None:
    assert note_version_base(empty[:1], 700) == 700
    assert note_version_base(empty, 900) == 700
    assert [find_version_base([each]) for each in empty] == [700, 700, 700]


def test_a_store_of_an_older_version_that_has_run_has_state(empty: list[Path], tmp_path: Path) -> None:
    config = RecoveryConfig(str(tmp_path))  # type: ignore[no-untyped-call]
    run_main(Outputs().flow(seeded_items()[:20]), epoch_interval=timedelta(0), recovery_config=config)  # type: ignore[no-untyped-call]
    assert find_version_base(empty) == 0


def test_bytewax_runs_on_a_store_with_a_base(empty: list[Path], tmp_path: Path) -> None:
    note_version_base(empty, 700)
    items = seeded_items()
    for half in (items[:20], items):
        forget_uncommitted(tmp_path)
        config = RecoveryConfig(str(tmp_path))  # type: ignore[no-untyped-call]
        run_main(Outputs().flow(half), epoch_interval=timedelta(0), recovery_config=config)  # type: ignore[no-untyped-call]
        assert find_version_base(empty) == 700


def test_a_store_that_cannot_be_read_is_left_to_bytewax(empty: list[Path]) -> None:
    empty[0].write_bytes(b"not a database, by any means" * 100)
    assert find_version_base(empty) == 0
    assert note_version_base(empty, 5) == 5
    with closing(sqlite3.connect(empty[1])) as database:
        assert database.execute("SELECT version_base FROM pricewax").fetchall() == [(5,)]


def test_every_product_begins_above_the_base() -> None:
    shard = Shard(default_policy(), version_base=700)
    (named,) = apply(shard, entry())
    assert named.version >= 700
    (lifted,) = apply(shard, event(5.0))
    assert lifted.version == named.version + 1
    restored = Shard(default_policy(), shard.snapshot(), version_base=700)
    versions = [each.version for each in apply(restored, event(5.0), override(9.0), event(7.0, product="B"))]
    assert versions == [lifted.version + 1, lifted.version + 2, 701]
    fresh = Shard(default_policy(), version_base=700)
    (set_at_once,) = apply(fresh, override(9.0))
    assert set_at_once.version == 701
