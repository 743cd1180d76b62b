"""`make demo`: it starts, shows live prices, and leaves no process and no file, in whichever way it ends."""

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from stack.demo import STATE
from stack.process import Program, free_port
from tests.support.pipeline import ROOT, wait_for


def start(port: int) -> Program:
    command = [sys.executable, "-m", "stack.demo", "--port", str(port), "--speed-up", "600"]
    return Program("demo", command, cwd=ROOT, env={"POLICY": "", "ADMIN_API_KEY": ""})


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
        demo.wait_until(lambda: any("running on" in line for line in demo.tail), 60)
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
        folder = STATE / f"demo-{demo.pid}"
        assert folder.exists()
        demo.send(signal.SIGINT)
        assert demo.process.wait(30) == 0
        assert_gone(processes, demo)
        assert not folder.exists()
    finally:
        demo.stop()


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
    folder = STATE / f"demo-{demo.pid}"
    demo.process.kill()
    demo.process.wait(10)
    assert_gone(processes, demo)
    assert folder.exists()
    demo.stop()
    following = start(free_port())
    try:
        wait_for(lambda: not folder.exists(), 20)
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


def test_the_readme_shows_both_commands() -> None:
    text = Path(ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
