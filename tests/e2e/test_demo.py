"""`make demo`: it starts, shows live prices, and leaves no process and no file, in whichever way it ends."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient

from stack.demo import LAG_MAX, RATE_MAX, STATE
from stack.postgres import FOLDER_PREFIX, temporary_folders
from stack.process import Program, free_port
from tests.support.pipeline import ROOT, wait_for


def start(port: int) -> Program:
    command = [sys.executable, "-m", "stack.demo", "--port", str(port), "--speed-up", "600"]
    return Program("demo", command, cwd=ROOT, env={"POLICY": "", "ADMIN_API_KEY": ""})


def folders_of(demo: Program) -> list[Path]:
    temporary = [path for parent in temporary_folders() for path in parent.glob(f"{FOLDER_PREFIX}-{demo.pid}-*")]
    return [*STATE.glob(f"demo-{demo.pid}-*"), *temporary]


def printed(demo: Program, pattern: str) -> str:
    """The first group of a pattern in the lines that the demo has printed; "" if there is none yet."""
    found = re.search(pattern, "\n".join(demo.tail))
    return found[1] if found else ""


def family(demo: Program) -> list[psutil.Process]:
    return list(psutil.Process(demo.pid).children(recursive=True))


def assert_gone(processes: list[psutil.Process], demo: Program) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive, [process.cmdline() for process in alive]
    assert demo.process.poll() is not None


def wait_for_children(count: int) -> Callable[[Program], None]:
    return lambda demo: wait_for(lambda: len(family(demo)) >= count, 20)


def test_the_demo_reprices_a_real_day_and_stops_on_ctrl_c() -> None:
    port = free_port()
    demo = start(port)
    try:
        demo.wait_until(lambda: any("Ctrl-C" in line for line in demo.tail), 90)
        assert_what_is_printed_works(demo, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            assert "Pricewax" in http.get("/").text
            assert http.get("/ready").status_code == 200
            params = {"limit": 500}
            dynamic = wait_for(
                lambda: [p for p in http.get("/prices", params=params).json()["prices"] if p["version"] > 3], 30
            )
            assert http.get(f"/price/{dynamic[0]['product_id']}/explain").json()["adjustments"]
        wait_for(lambda: any("events/s" in line and "products 2," in line for line in demo.tail), 30)
        processes = family(demo)
        assert len(processes) >= 6
        folders = folders_of(demo)
        assert folders
        # At this speed-up, the day has up to 278,000 events a second.
        wait_for(lambda: rates_of(demo), 40)
        for rate, lag in rates_of(demo):
            assert rate < 1.2 * RATE_MAX
            assert lag < LAG_MAX + 5 * RATE_MAX
        demo.send(signal.SIGINT)
        assert demo.process.wait(30) == 0
        assert_gone(processes, demo)
        assert not any(folder.exists() for folder in folders)
    finally:
        demo.stop()


def rates_of(demo: Program) -> list[tuple[int, int]]:
    found = re.findall(r"([\d,]+) events/s   lag ([\d,]+)", "\n".join(demo.tail))
    return [(int(rate.replace(",", "")), int(lag.replace(",", ""))) for rate, lag in found]


def assert_what_is_printed_works(demo: Program, port: int) -> None:
    product_id, key = (printed(demo, rf"http://localhost:{port}/product/(.*)#"), printed(demo, r"/#key=(\S+)"))
    history = f"http://127.0.0.1:{port}/history/{product_id}"
    wait_for(lambda: httpx.get(history, headers={"X-API-Key": key}).json().get("history"), 20)
    kafka = printed(demo, r"kcat -b (\S+) -t price-updates")
    assert "price-updates" in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    with redis.Redis(port=int(printed(demo, r"redis-cli -p (\d+)"))) as client:
        assert client.hget(printed(demo, r"hgetall (\S+)"), "price")
    with psycopg.connect(printed(demo, r"psql (\S+)")) as connection:
        query = printed(demo, r"-c '(.*)'").encode()
        assert len(connection.execute(query).fetchall()) == 5
    assert printed(demo, r"KAFKA_BROKERS=(\S+) .venv/bin/python -m tools") == kafka


@pytest.mark.parametrize("children", [1, 3, 7])
def test_ctrl_c_half_way_through_starting_leaves_nothing(children: int) -> None:
    demo = start(free_port())
    try:
        wait_for_children(children)(demo)
        processes = family(demo)
        demo.send(signal.SIGINT)
        assert demo.process.wait(30) == 0, demo.tail
        assert_gone(processes, demo)
    finally:
        demo.stop()


def test_a_demo_killed_hard_leaves_no_process_and_the_next_one_removes_its_folder() -> None:
    demo = start(free_port())
    wait_for_children(5)(demo)
    processes = family(demo)
    folders = folders_of(demo)
    demo.process.kill()
    demo.process.wait(10)
    assert_gone(processes, demo)
    assert folders
    assert all(folder.exists() for folder in folders)
    demo.stop()
    following = start(free_port())
    try:
        wait_for(lambda: not any(folder.exists() for folder in folders), 20)
    finally:
        following.send(signal.SIGINT)
        following.stop()


def test_a_busy_port_gives_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start(port)
        assert demo.process.wait(20) == 1
        demo.stop()
        assert [line for line in demo.tail if line] == [
            f"demo: port {port} is in use; choose another: make demo DEMO='--port 8081'"
        ]


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (["--port", "99999"], {}, "takes a port from 1 to 65535"),
        ([], {"API_PORT": "tcp://10.96.0.1:80"}, "takes a port from 1 to 65535"),
        (["--kafka"], {"PATH": "/nowhere"}, "--kafka needs Java 17 and Maven on the path"),
    ],
)
def test_what_cannot_work_is_one_clear_line(arguments: list[str], environment: dict[str, str], line: str) -> None:
    command = [sys.executable, "-m", "stack.demo", *arguments]
    free = {"API_PORT": str(free_port())}
    done = subprocess.run(
        command, cwd=ROOT, env={**free, **environment}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode in {1, 2}
    assert line in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_commands_that_work() -> None:
    command = [sys.executable, "-m", "stack.demo", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "make demo DEMO='--port 8081 --kafka'" in " ".join(text.split())
    assert "make demo --" not in text


def test_the_readme_shows_both_commands() -> None:
    text = Path(ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
