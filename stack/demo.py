"""`make demo`: the whole system on embedded parts, a real shop's day repriced live, and a market."""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from core.errors import StartError
from stack import kafka, postgres
from stack.broker import EmbeddedBroker
from stack.folders import ProcessFolder, remove_stale
from stack.history_limit import HistoryLimit
from stack.process import Program, answers, free_port, is_listening
from stack.rates import Rates
from stack.redis import RedisServer
from stack.welcome import Addresses, busiest_product, policy_name, sales_of, welcome

ROOT = Path(__file__).parent.parent
STATE = ROOT / ".pricewax"
DAYS = (ROOT / "data" / "online-retail-2011-12-05.csv", ROOT / "data" / "online-retail-2011-12-08.csv")
TRADES = ROOT / "data" / "trades-btc-eth.csv.gz"
YEAR = ROOT / "data" / "online-retail-2010-12-to-2011-10.csv.gz"
MODEL = ROOT / "data" / "forecast-model"
YEAR_END = "2011-10-27 12:00"
"""A Thursday at noon: the moment of the year that is now, so that the shop is open whenever the demo runs."""
POLICY = ROOT / "policies" / "demo.toml"
FOLDER_PREFIX = "demo"
READY_WITHIN_S = 60.0
RESTART_AFTER_S = 1.0
STATUS_EVERY_S = 1.0
STATUS_LINE_EVERY_S = 10.0
RATE_MAX = 1500
"""Events a second. The day's busiest minute would be 27,807 a second at sixty times its speed."""
TRADES_SPEED_UP = 3
SIGNALS = ("--products", "60", "--rate", "25")
MARKET_SYMBOLS = 300
MARKET_RATE = 150
"""Ticks a second of the simulated symbols."""
LAG_MAX = 5000
"""The replay waits while the flow is further behind. The embedded broker keeps some 35,000 messages a partition."""
KAFKA_RETENTION_MINUTES = 15
"""Of a real Kafka: about a gigabyte."""

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
        self._policy = os.environ.get("POLICY") or str(POLICY)
        self._metrics = f"127.0.0.1:{free_port()}"
        self._market_metrics = f"127.0.0.1:{free_port()}"
        self._tables_metrics = f"127.0.0.1:{free_port()}"
        self._sales_metrics = f"127.0.0.1:{free_port()}"
        self._lake_metrics = f"127.0.0.1:{free_port()}"
        self._forecast_metrics = f"127.0.0.1:{free_port()}"
        self._folder: ProcessFolder | None = None
        self._postgres: postgres.PostgresServer | None = None
        self._servers: list[_Server] = []
        self._programs: dict[str, Program] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        self._environment: dict[str, str] = {}
        self._addresses: Addresses | None = None

    def start(self) -> None:
        """Start all servers and programs, and print each step. Raises StartError."""
        if is_listening(self._options.port):
            raise StartError(f"port {self._options.port} is in use; choose another: make demo DEMO='--port 8081'")
        if self._options.kafka and not kafka.is_available():
            raise StartError("--kafka needs Java 17 and Maven on the path; without it the demo needs neither")
        remove_stale(STATE, FOLDER_PREFIX)
        postgres.remove_stale_folders()
        self._folder = ProcessFolder(STATE, FOLDER_PREFIX)
        folder = self._folder.path
        broker = (
            kafka.KafkaServer(folder, None, KAFKA_RETENTION_MINUTES) if self._options.kafka else EmbeddedBroker()
        )
        redis = RedisServer(parent=folder)
        self._postgres = postgres.PostgresServer(folder)
        for what, server in ((broker.kind, broker), ("Redis", redis), ("Postgres", self._postgres)):
            self._step(f"starting {what}")
            self._servers.append(server)
            server.start()
        api = f"http://localhost:{self._options.port}"
        self._addresses = Addresses(
            api, self._key, broker.brokers, redis.address, self._postgres.url, policy_name(self._policy)
        )
        self._environment = {
            "KAFKA_BROKERS": broker.brokers,
            "KAFKA_OPTIONS": "",
            "REDIS_ADDR": redis.address,
            "REDIS_PASSWORD": "",
            "REDIS_URL": "",
            "HISTORY_URL": self._postgres.url,
            "CDC_URL": self._postgres.url,
            "ORACLE_DSN": "",
            "POLICY": self._policy,
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self._options.port),
            "ADMIN_API_KEY": self._key,
            "FLOW_METRICS": ",".join(
                (
                    self._metrics,
                    self._market_metrics,
                    self._tables_metrics,
                    self._sales_metrics,
                    self._lake_metrics,
                    self._forecast_metrics,
                )
            ),
            "LAKE_CATALOG": f"sqlite:///{folder.resolve()}/lake.db",
            "LAKE_WAREHOUSE": f"file://{folder.resolve()}/lake",
            "LAKE_OPTIONS": "",
            "FORECAST_MODEL": str(MODEL),
            "NO_PROXY": "localhost,127.0.0.1",
            "PYTHONUNBUFFERED": "1",
        }
        self._step("starting the flows and the API")
        self._start_flow("flow", "dataflows.pricing", folder / "recovery", self._metrics)
        self._start_flow("market", "dataflows.ticks", folder / "market-recovery", self._market_metrics)
        self._launch("api", [sys.executable, "-m", "api"])
        ready = f"http://127.0.0.1:{self._options.port}/ready"
        self._programs["api"].wait_until(lambda: answers(ready), READY_WITHIN_S)
        for name, address in (("flow", self._metrics), ("market", self._market_metrics)):
            self._programs[name].wait_until(partial(answers, f"http://{address}/metrics"), READY_WITHIN_S)
        self._step("sending a shop's day, and a market")
        replay, simulator = ([sys.executable, "-m", f"tools.{name}"] for name in ("replay", "simulator"))
        self._launch("replay", [*replay, *map(str, DAYS), *self._pace()])
        again = ["--loop", "--lag-max", str(LAG_MAX)]
        self._launch("trades", [*replay, str(TRADES), "--stamp-now", "--speed-up", str(TRADES_SPEED_UP), *again])
        self._launch("signals", [*simulator, "--signals", "--tables", *SIGNALS, *again])
        market = ["--market", "--symbols", str(MARKET_SYMBOLS), "--rate", str(MARKET_RATE)]
        self._launch("ticks", [*simulator, *market, *again])
        self._programs["signals"].wait_until(self._postgres.has_table("orders"), READY_WITHIN_S)
        self._start_flow("tables", "dataflows.cdc", folder / "tables-recovery", self._tables_metrics)
        self._start_flow("sales", "dataflows.sales", folder / "sales-recovery", self._sales_metrics)
        self._start_flow("forecasts", "dataflows.forecasting", folder / "forecast-recovery", self._forecast_metrics)
        self._send_past()
        # Its table holds its position, so it has no recovery folder.
        lake = [sys.executable, "-m", "bytewax.run", "dataflows.lake"]
        self._launch("lake", lake, LOG_LEVEL="warning", METRICS_PORT=self._lake_metrics.rpartition(":")[2])

    def watch(self) -> None:
        """Show the status until SIGINT or SIGTERM. A program that ends is started again. Raises StartError if a
        server ends."""
        assert self._addresses is not None
        product_id = busiest_product(f"http://127.0.0.1:{self._options.port}", sales_of(DAYS))
        console.print()
        for line in welcome(self._addresses, product_id):
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()
        rates = Rates(f"http://{self._metrics}/metrics")
        history = HistoryLimit(self._addresses.postgres)
        terminal = console.is_terminal
        with Live(Text("waiting for the first events"), console=console, auto_refresh=False) as live:
            while True:
                status = rates.line()
                if terminal:
                    live.update(Text(status, style="cyan"), refresh=True)
                else:
                    print(status, flush=True)
                history.apply_if_due()
                until = time.monotonic() + (STATUS_EVERY_S if terminal else STATUS_LINE_EVERY_S)
                while time.monotonic() < until:
                    self._restart_ended()
                    time.sleep(0.1)

    def stop(self) -> None:
        """Stop everything in reverse order, and remove the demo's folders."""
        for program in reversed(self._programs.values()):
            program.stop()
        for server in reversed(self._servers):
            if server.program is not None:
                server.stop()
        if self._postgres is not None:
            self._postgres.remove()
        if self._folder is not None:
            self._folder.remove()

    def _start_flow(self, name: str, module: str, recovery: Path, metrics: str) -> None:
        recovery.mkdir()
        made = subprocess.run(
            [sys.executable, "-m", "bytewax.recovery", str(recovery), "4"],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise StartError(f"the recovery folder could not be made: {made.stderr.strip()[-500:]}")
        run = ["-m", "bytewax.run", module, "-r", str(recovery), "-s", "1", "-b", "0"]
        self._launch(name, [sys.executable, *run], METRICS_PORT=metrics.rpartition(":")[2])

    def _send_past(self) -> None:
        """Give the flow of forecasts the last weeks of the shop, at the pace of the replay."""
        times = str(max(1, round(self._options.speed_up)))
        past = [sys.executable, "-m", "tools.demand_history", str(YEAR), "--end", YEAR_END, "--times", times]
        sent = subprocess.run(
            past, check=False, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **self._environment}
        )
        if sent.returncode:
            raise StartError(f"the past of the shop could not be sent: {sent.stderr.strip()[-500:]}")

    def _pace(self) -> list[str]:
        """The arguments of the replay: at all times as many events as the machine keeps up with, never none."""
        options = self._options
        numbers = ["--views", str(options.views), "--speed-up", str(options.speed_up)]
        limits = ["--rate-max", str(options.rate_max), "--lag-max", str(LAG_MAX)]
        return ["--loop", "--stamp-now", "--skip-closed", *numbers, *limits]

    def _launch(self, name: str, command: list[str], **environment: str) -> None:
        """Start a program, with further environment variables."""
        self._commands[name] = command, environment
        self._programs[name] = Program(
            name,
            command,
            env={**self._environment, **environment},
            cwd=ROOT,
            on_line=lambda line: _say(name, line),
        )

    def _restart_ended(self) -> None:
        for server in self._servers:
            if server.program is not None and not server.program.running:
                raise StartError(f"{server.program.name} ended with code {server.program.process.returncode}")
        for name, program in list(self._programs.items()):
            if not program.running:
                _say(name, f"ended with code {program.process.returncode}; starting it again")
                time.sleep(RESTART_AFTER_S)
                command, environment = self._commands[name]
                self._launch(name, command, **environment)

    def _step(self, what: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {what}")


def _say(name: str, line: str) -> None:
    console.print(f"[dim]{name:>6} |[/dim] ", end="")
    console.print(Text(line), soft_wrap=True)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError("takes a port from 1 to 65535")
    return int(text)


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("takes a number above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make demo",
        usage="make demo [DEMO='OPTIONS']",
        description=__doc__.split(": ")[1],
        epilog="For example: make demo DEMO='--port 8081 --kafka'. POLICY and ADMIN_API_KEY are taken from the"
        " environment: POLICY=policies/shop.toml make demo.",
    )
    # A default that is a text is checked as if a person had given it.
    port = os.environ.get("API_PORT") or "8080"
    parser.add_argument("--port", type=_port, default=port, help="of the page and the API (default: 8080)")
    parser.add_argument("--speed-up", type=_above_zero, default=60.0, help="of the shop's day (default: 60)")
    parser.add_argument("--views", type=float, default=119.0, help="before each purchase (default: 119)")
    parser.add_argument(
        "--rate-max", type=_above_zero, default=RATE_MAX, help=f"events a second, at most (default: {RATE_MAX})"
    )
    parser.add_argument("--kafka", action="store_true", help="a real Kafka (needs Java and Maven)")
    return parser


def main() -> int:
    """Run the demo until it is stopped; returns the exit code."""
    options = _parser().parse_args()

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
