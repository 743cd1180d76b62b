"""The rows of `make bench-cost`: each engine with the way to install and to start it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.bench import ROOT, Bench
from stack.process import Program

ROWS = ROOT / "benchmarks" / "rows"
CACHE = ROOT / ".cache"
READY_WITHIN_S = 60.0


class Job(msgspec.Struct, frozen=True):
    """A started engine: its process, the topic that it reads (`source`) and the topic that it writes (`target`).
    `is_complete`: takes the number of events, and returns True if all other outputs have them too."""

    program: Program
    source: str
    target: str
    is_complete: Callable[[int], bool] = lambda _events: True


class Engine(msgspec.Struct, frozen=True):
    """A row of the table. `prepare` installs the engine if it is not installed yet; it returns the reason if it
    cannot, otherwise None."""

    name: str
    what: str
    start: Callable[[Bench], Job]
    prepare: Callable[[], str | None] = lambda: None


def _environment(bench: Bench) -> tuple[dict[str, str], Path]:
    name = bench.next_run()
    topics = bench.topics(name)
    folder = bench.folder / name
    folder.mkdir()
    return {
        "BROKERS": bench.broker.brokers,
        "SOURCE": topics["PRODUCT_EVENTS_TOPIC"],
        "TARGET": topics["PRICE_UPDATES_TOPIC"],
        "STATE": str(folder),
    }, folder


def _start(bench: Bench, name: str, command: list[str], environment: dict[str, str]) -> Job:
    program = Program(name, command, env=environment, cwd=ROOT)
    program.wait_until(lambda: "ready" in program.tail, READY_WITHIN_S)
    return Job(program, environment["SOURCE"], environment["TARGET"])


def _start_loop(bench: Bench) -> Job:
    environment, _ = _environment(bench)
    return _start(bench, "loop", [sys.executable, "-m", "benchmarks.rows.loop"], environment)


def _start_textbook(bench: Bench) -> Job:
    environment, folder = _environment(bench)
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(folder), "1"], check=True, cwd=ROOT)
    flow = ["-m", "bytewax.run", "benchmarks.rows.textbook:make_flow", "-r", str(folder), "-s", "1", "-b", "0"]
    return _start(bench, "textbook", [sys.executable, *flow], environment)


def _start_quix(bench: Bench) -> Job:
    return _start_beside(bench, "quix", ROWS / "quix.py")


def _start_pathway(bench: Bench) -> Job:
    return _start_beside(bench, "pathway", ROWS / "pathway_row.py")


def _start_beside(bench: Bench, name: str, script: Path) -> Job:
    """Start a script in the environment that `_install_beside` made."""
    environment, _ = _environment(bench)
    return _start(bench, name, [str(CACHE / name / "bin" / "python"), str(script)], environment)


def _start_streams(bench: Bench) -> Job:
    environment, _ = _environment(bench)
    libraries = CACHE / "kafka-streams" / "*"
    java = [
        "java",
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-cp",
        str(libraries),
        str(ROWS / "streams" / "PriceStreams.java"),
    ]
    return _start(bench, "streams", java, environment)


def _start_plain(bench: Bench) -> Job:
    environment, _ = _environment(bench)
    return _start(bench, "plain", [sys.executable, "-m", "benchmarks.rows.plain"], environment)


def _start_kafka_only(bench: Bench) -> Job:
    run = bench.prepare_pricewax(history=False)
    program = run.start("benchmarks.rows.kafka_only")
    return Job(program, run.topics["PRODUCT_EVENTS_TOPIC"], run.topics["PRICE_UPDATES_TOPIC"])


def _start_everything(bench: Bench) -> Job:
    bench.redis.stop()
    bench.redis.start()
    run = bench.prepare_pricewax()
    program = run.start()
    program.wait_until(lambda: run.metric("pricewax_redis_refills_total") >= 1, READY_WITHIN_S)
    return Job(
        program,
        run.topics["PRODUCT_EVENTS_TOPIC"],
        run.topics["PRICE_UPDATES_TOPIC"],
        lambda events: run.count_rows() >= events and run.metric("pricewax_sink_pending{") == 0,
    )


def _install_beside(name: str) -> str | None:
    """Install into an environment of its own, because the requirements of other engines conflict with ours. Returns
    the reason if it fails, otherwise None."""
    home, lock = CACHE / name, ROWS / f"requirements-{name}.lock"
    stamp = home / ".installed"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return None
    steps = (
        [sys.executable, "-m", "venv", str(home)],
        [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()[-200:] or "pip failed"
    stamp.write_text(lock.read_text())
    return None


def _install_streams() -> str | None:
    target = CACHE / "kafka-streams"
    if (target / "complete").exists():
        return None
    if shutil.which("mvn") is None:
        return "needs Maven"
    command = ["mvn", "-q", "-B", "-f", str(ROWS / "streams" / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={target}"], capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stdout + done.stderr).strip()[-200:]
    (target / "complete").touch()
    return None


LOOP = Engine("loop", "no engine: consume, decode, dict, encode, produce", _start_loop)
PLAIN = Engine("pricewax, no engine", "its steps in a plain loop; no recovery", _start_plain)
KAFKA_ONLY = Engine("pricewax, Kafka only", "neither Redis nor a database; recovery on", _start_kafka_only)
EVERYTHING = Engine("pricewax, everything on", "Redis, Postgres and Kafka out; recovery on", _start_everything)
TEXTBOOK = Engine(
    "textbook Bytewax", "stock connectors, an item per event, stateful_map; recovery on", _start_textbook
)
QUIX = Engine(
    "Quix Streams",
    "stateful apply, RocksDB, changelog on; at least once",
    _start_quix,
    partial(_install_beside, "quix"),
)
PATHWAY = Engine(
    "Pathway",
    "a function with a dict, as its own reducers give no update for each event; no recovery, and within a commit"
    " the order of events is lost",
    _start_pathway,
    partial(_install_beside, "pathway"),
)
STREAMS = Engine(
    "Kafka Streams", "state store with changelog, one thread; at least once", _start_streams, _install_streams
)
ENGINES = (LOOP, PLAIN, KAFKA_ONLY, EVERYTHING, TEXTBOOK, QUIX, PATHWAY, STREAMS)
