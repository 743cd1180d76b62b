"""`make mutants`: break one promise at a time and see the suite fail. Writes docs/mutants.md.

A mutant is one change of the source in a copy of the tree, with the tests that have to fail with it. The same tests
have to pass without it. If a mutant survives, the exit code is 1."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "mutants.md"
NOT_COPIED = (
    "*.pyc",
    "__pycache__",
    ".git",
    ".venv",
    ".cache",
    "node_modules",
    ".pricewax",
    ".hypothesis",
    ".*_cache",
)
WITHIN_S = 300
ALL_WITHIN_S = 1800
PASSED, FAILED = 0, 1


class Mutant(msgspec.Struct, frozen=True):
    """A change of the source: `old` stands once in `file`, and is replaced by `new`."""

    promise: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant(
        "history: the first row of a position stays, and none comes twice",
        "sinks/history/postgres.py",
        ' FROM {source} ON CONFLICT ({key}) DO NOTHING"',
        ' FROM {source}"',
        "tests/chaos/test_kill.py",
    ),
    Mutant(
        "relay: what is not newer is not passed on",
        "api/live/relay.py",
        "if not is_newer(update.key, update.version):",
        "if False:",
        "tests/e2e/test_contract.py",
    ),
    Mutant(
        "Kafka sink: flushed before the epoch is committed",
        "sinks/kafka/sink.py",
        "    def snapshot(self) -> None:\n        self._producer.flush()",
        "    def snapshot(self) -> None:\n        pass",
        "tests/integration/test_sinks.py",
    ),
    Mutant(
        "Redis: an older version never replaces a newer",
        "sinks/redis/pricing.lua",
        "  if not stored or tonumber(stored) <= version then return false end\n",
        "  if true then return false end\n",
        "tests/integration/test_sinks.py",
    ),
    Mutant(
        "source: goes on with the next offset, not the one after",
        "connectors/shared_consumer.py",
        "        read.next_offset = (messages[-1].offset() or 0) + 1\n",
        "        read.next_offset = (messages[-1].offset() or 0) + 2\n",
        "tests/integration/test_processes.py tests/chaos/test_kill.py",
    ),
    Mutant(
        "source: the offset moves with what was read",
        "connectors/shared_consumer.py",
        "        read.next_offset = (messages[-1].offset() or 0) + 1\n",
        "        read.next_offset = read.next_offset or (messages[-1].offset() or 0) + 1\n",
        "tests/integration/test_processes.py tests/chaos/test_kill.py",
    ),
    Mutant(
        "bad input becomes a dead letter",
        "dataflows/steps/decode.py",
        "                    letters.append(event)\n",
        "",
        "tests/e2e/test_bad_input.py tests/flows",
    ),
    Mutant(
        "the admin key is checked",
        "api/web/guard.py",
        "return any([hmac.compare_digest(given[0], key) for key in self._keys])",
        "return True",
        "tests/e2e/test_api.py",
    ),
    Mutant(
        "prices are rounded half to even, once",
        "core/money.py",
        "    return round(round(amount, DIGITS[scale]) * scale)\n",
        "    return int(scaled + 0.5)\n",
        "tests/unit/pricing/test_pricing.py",
    ),
    Mutant(
        "state is restored from its snapshot",
        "pricing/state/shard.py",
        "            state = self.products[product_id] = unpack_product(packed)\n",
        "            state = unpack_product(packed)\n",
        "tests/unit/pricing/test_pricing.py tests/unit/pricing/test_freezes.py",
    ),
    Mutant(
        "rows that wait ride in the snapshot",
        "sinks/history/sink.py",
        "rows, offset = [*(writer.in_flight or []), *self._buffer.rows], self._backlog.offset",
        "rows, offset = [], self._backlog.offset",
        "tests/integration/test_sinks.py",
    ),
    Mutant(
        "what was never committed is deleted before a start",
        "dataflows/recovery/epochs.py",
        "DELETE FROM snaps WHERE snap_epoch >= ?",
        "DELETE FROM snaps WHERE snap_epoch >= 1000000 + ?",
        "tests/flows/pricing/test_recovery_store.py",
    ),
    Mutant(
        "a second flow on a recovery folder is refused",
        "dataflows/recovery/fence.py",
        "        if not _lock(shared, fcntl.LOCK_EX):\n",
        "        if False:\n",
        "tests/unit/dataflows/test_fence.py",
    ),
    Mutant(
        "of a state log, what was appended after the snapshot does not count",
        "dataflows/recovery/log_files.py",
        "            if extent.start <= start < extent.end\n",
        "            if extent.start <= start\n",
        "tests/unit/dataflows/test_state_log.py tests/flows",
    ),
    Mutant(
        "a state log is synced before its pointer is handed on",
        "dataflows/recovery/log_files.py",
        "            os.fdatasync(self._descriptor)\n",
        "            pass\n",
        "tests/unit/dataflows/test_state_log.py",
    ),
    Mutant(
        "relay: what was published before its start is no news",
        "api/live/relay.py",
        "                    partition.offset = max(low, high - self._warm_up_messages)\n",
        "                    partition.offset = high\n",
        "tests/integration/test_outages.py",
    ),
    Mutant(
        "a freeze holds prices",
        "pricing/state/event_loop.py",
        " or (holder.freezes.by_scope and holder.freezes.of(state)):\n",
        ":\n",
        "tests/unit/pricing/test_freezes.py",
    ),
    Mutant(
        "an override's end counts whether or not a timer was there",
        "pricing/state/shard.py",
        "if override is None or override.expires_at_ms is None or not overrides.is_over(override, kafka_time_ms):",
        "if True or override is None or override.expires_at_ms is None:",
        "tests/unit/pricing/test_freezes.py",
    ),
    Mutant(
        "a forecast that waits for its minute is not lost",
        "pricing/state/signals.py",
        "    surge.waits = surge.must_wait(decider.at_s)\n    return None if surge.waits else Cause.FORECAST\n",
        "    return None if surge.must_wait(decider.at_s) else Cause.FORECAST\n",
        "tests/unit/pricing/test_surge_signals.py tests/unit/pricing/test_surge_order.py",
    ),
    Mutant(
        "external events are in the snapshot",
        "pricing/state/shard.py",
        "            external=external,\n",
        "",
        "tests/unit/pricing/test_surge_signals.py",
    ),
    Mutant(
        "what external events touch is decided once more after a restart",
        "pricing/state/shard_signals.py",
        "                shard.replay.note_signal(state.product_id, state, look.position)\n",
        "                pass\n",
        "tests/unit/pricing/test_surge_signals.py tests/unit/pricing/test_surge_order.py",
    ),
)


def run_tests(tree: Path, tests: str, within_s: float = WITHIN_S) -> tuple[int, str, float]:
    """Return the exit code of pytest, the first test that failed, and the seconds that it took."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    started = time.monotonic()
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired:
        return FAILED, "not done in time", time.monotonic() - started
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return done.returncode, named[1] if named else "", time.monotonic() - started


def mutate(tree: Path, mutant: Mutant) -> None:
    """Apply a mutant to a tree. Raises SystemExit if its text does not stand there exactly once."""
    path = tree / mutant.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise SystemExit(f"mutants: {mutant.file} has {source.count(mutant.old)} times: {mutant.old!r}")
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")


def main() -> int:
    """Run the mutants and write the report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.split(": ")[1].split(".")[0])
    parser.add_argument("--only", help="mutants whose promise contains this")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not options.only or options.only in mutant.promise]
    rows, survivors = [], 0
    with tempfile.TemporaryDirectory(prefix="pricewax-mutants-") as folder:
        for number, mutant in enumerate(chosen, 1):
            tree = Path(folder) / str(number)
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
            if (ROOT / ".cache").exists():
                (tree / ".cache").symlink_to(ROOT / ".cache")
            mutate(tree, mutant)
            code, caught_by, took_s = run_tests(tree, mutant.tests)
            caught = code == FAILED
            survivors += not caught
            rows.append(f"| {mutant.promise} | `{mutant.file}` | {caught_by if caught else '**survived**'} |")
            print(
                f"{number}/{len(chosen)} {'caught' if caught else 'SURVIVED'} in {took_s:.0f} s: {mutant.promise}",
                flush=True,
            )
            shutil.rmtree(tree, ignore_errors=True)
        tests = sorted({test for mutant in chosen for test in mutant.tests.split()})
        code, failed, _ = run_tests(ROOT, " ".join(tests), ALL_WITHIN_S)
        if code != PASSED:
            print(f"mutants: without a mutant, {failed} fails; nothing of this counts", file=sys.stderr)
            return 1
    if not options.only:
        lines = [
            "# What breaks the suite",
            "",
            "Each row is one change of the source that breaks a promise, and the test that failed first. By"
            " `make mutants`; the same tests pass without the change.",
            "",
            "| promise | broken in | caught by |",
            "|---|---|---|",
            *rows,
            "",
        ]
        REPORT.write_text("\n".join(lines), encoding="utf-8")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
