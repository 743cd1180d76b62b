"""`make demo`: the whole system on embedded parts, and a real shop's day repriced live."""

import argparse
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from core.errors import StartError
from stack import kafka
from stack.broker import EmbeddedBroker
from stack.postgres import PostgresServer
from stack.process import Program, answers, free_port, is_listening
from stack.redis import RedisServer

ROOT = Path(__file__).parent.parent
STATE = ROOT / ".pricewax"
DAYS = (ROOT / "data" / "online-retail-2011-12-05.csv", ROOT / "data" / "online-retail-2011-12-08.csv")
POLICY = ROOT / "policies" / "demo.toml"
READY_WITHIN_S = 30.0
RESTART_AFTER_S = 1.0
STATUS_EVERY_S = 1.0
STATUS_LINE_EVERY_S = 10.0

console = Console(highlight=False)


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came. It can come at any point of the program."""


class _Server(Protocol):
    program: Program | None

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Demo:
    """The servers and programs of a demo. It starts them in order, watches them, and stops them in reverse
    order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._key = os.environ.get("ADMIN_API_KEY") or secrets.token_urlsafe(12)
        self._metrics_port = free_port()
        self._folder = STATE / f"demo-{os.getpid()}"
        self._servers: list[_Server] = []
        self._programs: dict[str, Program] = {}
        self._commands: dict[str, list[str]] = {}
        self._environment: dict[str, str] = {}

    def start(self) -> None:
        """Start all servers and programs, and print each step. Raises StartError."""
        if is_listening(self._options.port):
            raise StartError(f"port {self._options.port} is in use; choose another: make demo DEMO='--port 8081'")
        _remove_stale_folders()
        self._folder.mkdir(parents=True)
        for folder in (STATE, self._folder):
            folder.chmod(0o755)
        broker = kafka.KafkaServer(self._folder) if self._options.kafka else EmbeddedBroker()
        redis, postgres = RedisServer(), PostgresServer(self._folder)
        for what, server in (("broker", broker), ("Redis", redis), ("Postgres", postgres)):
            self._step(f"starting {what}")
            self._servers.append(server)
            server.start()
        recovery = self._folder / "recovery"
        recovery.mkdir()
        self._environment = {
            "KAFKA_BROKERS": broker.brokers,
            "KAFKA_OPTIONS": "",
            "REDIS_ADDR": redis.address,
            "REDIS_PASSWORD": "",
            "HISTORY_URL": postgres.url,
            "ORACLE_DSN": "",
            "POLICY": os.environ.get("POLICY") or str(POLICY),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self._options.port),
            "ADMIN_API_KEY": self._key,
            "METRICS_PORT": str(self._metrics_port),
            "FLOW_METRICS": f"127.0.0.1:{self._metrics_port}",
            "PYTHONUNBUFFERED": "1",
        }
        python = sys.executable
        self._step("starting the flow and the API")
        subprocess.run([python, "-m", "bytewax.recovery", str(recovery), "4"], check=True, cwd=ROOT)
        run = [python, "-m", "bytewax.run", "dataflows.pricing", "-r", str(recovery), "-s", "1", "-b", "0"]
        self._launch("flow", run)
        self._launch("api", [python, "-m", "api"])
        ready = f"http://127.0.0.1:{self._options.port}/ready"
        self._programs["api"].wait_until(lambda: answers(ready), READY_WITHIN_S)
        metrics = f"http://127.0.0.1:{self._metrics_port}/metrics"
        self._programs["flow"].wait_until(lambda: answers(metrics), READY_WITHIN_S)
        replay = [python, "-m", "tools.replay", *map(str, DAYS), "--loop", "--stamp-now"]
        pace = ["--views", str(self._options.views), "--speed-up", str(self._options.speed_up)]
        self._launch("replay", [*replay, *pace])

    def watch(self) -> None:
        """Show the status until SIGINT or SIGTERM. A program that ends is started again. Raises StartError if a
        server ends."""
        console.print(f"\n  Pricewax is running on [bold]http://localhost:{self._options.port}[/bold]")
        console.print(f"  admin key  {self._key}")
        console.print(f"  API page   http://localhost:{self._options.port}/docs")
        console.print("  Ctrl-C stops everything.\n")
        rates = _Rates(f"http://127.0.0.1:{self._metrics_port}/metrics")
        terminal = console.is_terminal
        with Live(Text("waiting for the first events"), console=console, auto_refresh=False) as live:
            while True:
                status = rates.read()
                if terminal:
                    live.update(Text(status, style="cyan"), refresh=True)
                else:
                    print(status, flush=True)
                until = time.monotonic() + (STATUS_EVERY_S if terminal else STATUS_LINE_EVERY_S)
                while time.monotonic() < until:
                    self._restart_ended()
                    time.sleep(0.1)

    def stop(self) -> None:
        """Stop everything in reverse order, and remove the demo's folder."""
        for program in reversed(self._programs.values()):
            program.stop()
        for server in reversed(self._servers):
            if server.program is not None:
                server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _launch(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        self._programs[name] = Program(
            name, command, env=self._environment, cwd=ROOT, on_line=lambda line: _say(name, line)
        )

    def _restart_ended(self) -> None:
        for server in self._servers:
            if server.program is not None and not server.program.running:
                raise StartError(f"{server.program.name} ended with code {server.program.process.returncode}")
        for name, program in list(self._programs.items()):
            if not program.running:
                _say(name, f"ended with code {program.process.returncode}; starting it again")
                time.sleep(RESTART_AFTER_S)
                self._launch(name, self._commands[name])

    def _step(self, what: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {what}")


class _Rates:
    """The status line, from the flow's metrics."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._events = 0.0
        self._at = time.monotonic()

    def read(self) -> str:
        try:
            with urllib.request.urlopen(self._url, timeout=2) as answer:  # noqa: S310  # our own loopback port
                text = answer.read().decode()
        except OSError:
            return "the flow is not up"
        events = _total(text, "pricewax_events_total")
        now = time.monotonic()
        rate = max(0.0, events - self._events) / max(now - self._at, 1e-3)
        self._events, self._at = events, now
        lag = _total(text, "pricewax_consumer_lag_messages")
        letters = _total(text, "pricewax_dead_letters_total")
        products = _total(text, "pricewax_products")
        return (
            f"  {rate:,.0f} events/s   lag {lag:,.0f}   dead letters {letters:,.0f}"
            f"   products {products:,.0f}   events {events:,.0f}"
        )


def _total(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def _say(name: str, line: str) -> None:
    console.print(f"[dim]{name:>6} |[/dim] ", end="")
    console.print(Text(line), soft_wrap=True)


def _remove_stale_folders() -> None:
    """Remove the folders of demos that were killed and could not remove their own."""
    for folder in STATE.glob("demo-*"):
        pid = folder.name.removeprefix("demo-")
        if pid.isdigit() and not _exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> int:
    """Run the demo until it is stopped; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.split(": ")[1])
    parser.add_argument("--port", type=int, default=int(os.environ.get("API_PORT") or 8080), help="default: 8080")
    parser.add_argument("--speed-up", type=float, default=60.0, help="of the shop's day (default: 60)")
    parser.add_argument("--views", type=float, default=119.0, help="before each purchase (default: 119)")
    parser.add_argument("--kafka", action="store_true", help="a real Kafka (needs Java and Maven)")
    options = parser.parse_args()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not interrupt the stopping.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    demo = Demo(options)
    try:
        demo.start()
        demo.watch()
    except Stopped:
        console.print("\nstopping")
        return 0
    except StartError as error:
        console.print(f"demo: {error}", markup=False)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        demo.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
