"""`make chaos SEED= STEPS=`: random faults, chosen by weight, against the whole stack. Then an independent check
compares all outputs with the inputs (tests/chaos/verdict.py). The same seed gives the same actions."""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from stack import kafka
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.chaos.verdict import POLICIES, check
from tests.chaos.watcher import Watcher
from tests.support.pipeline import Pipeline, wait_for

PRODUCTS = 200
OVERRIDDEN = 20
"""Number of products that get overrides. All others get events only, so each of their rows is known exactly."""

KAFKA_LASTS_S = 3.0


class Storm:
    """One run: the servers, the pipeline, and the log of the actions so far. `say` takes each line of progress."""

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._chance = random.Random(seed)
        self._say = say
        self.log: list[str] = []
        self.kills = 0
        self._kafka = kafka.KafkaServer(folder)
        self._redis = RedisServer()
        self._postgres = PostgresServer(folder / "pg", durable=True)
        self._folder = folder
        self._processes = 1
        self._policy = 0
        self._now_s = 1_700_000_000
        self._sent: list[tuple[str, bytes]] = []
        self._servers = (self._kafka, self._redis, self._postgres)
        self._actions: dict[str, tuple[int, Callable[[], str]]] = {
            "burst": (10, self._burst),
            "override": (4, self._override),
            "kill_flow": (8, self._kill_flow),
            "kill_api": (1, self._kill_api),
            "freeze": (2, self._freeze_server),
            "restart_redis": (1, self._restart_redis),
            "restart_postgres": (1, self._restart_postgres),
            "restart_kafka": (1, self._restart_kafka),
            "rescale": (1, self._rescale),
            "policy": (1, self._change_policy),
        }

    def run(self, steps: int | None, kills: int | None) -> None:
        """Run `steps` actions, or until the flow was killed `kills` times; then check all outputs. Raises
        AssertionError."""
        with contextlib.ExitStack() as stack:
            for server in self._servers:
                server.start()
                stack.callback(server.stop)
            self._pipeline = Pipeline(self._kafka.brokers, self._postgres, self._redis, self._folder)
            self._paths = []
            for name, text in POLICIES.items():
                path = self._folder / f"{name}.toml"
                path.write_text(text, encoding="utf-8")
                self._paths.append(str(path))
            stack.callback(self._close)
            self._start_flow()
            self._start_api()
            watcher = stack.enter_context(Watcher(self._pipeline.url))
            self._port = int(self._pipeline.url.rsplit(":", 1)[1])
            names = list(self._actions)
            weights = [weight for weight, _ in self._actions.values()]
            step = 0
            while (steps is not None and step < steps) or (kills is not None and self.kills < kills):
                name = self._chance.choices(names, weights)[0]
                did = self._actions[name][1]()
                step += 1
                self.log.append(f"{step} {name}: {did}")
                self._say(f"step {step}, kills {self.kills}: {name} {did}")
            self._burst()
            self._say("waiting for everything to arrive, then comparing")
            check(self._pipeline, watcher)

    def _close(self) -> None:
        for program in self._pipeline.flow:
            program.kill()
        if self._pipeline.api is not None:
            self._pipeline.http.close()
            self._pipeline.api.kill()
        self._pipeline.redis.close()

    def _start_flow(self) -> None:
        self._pipeline.start_flow(self._processes, POLICY=self._paths[self._policy])

    def _start_api(self, port: int | None = None) -> None:
        self._pipeline.start_api(port, POLICY=self._paths[self._policy])
        wait_for(self._pipeline.api_ready)

    # The actions. Each returns a text for the log.

    def _burst(self) -> str:
        count = self._chance.randrange(100, 1_500)
        for _ in range(count):
            product = self._product()
            roll = self._chance.random()
            if roll < 0.02:
                poison = (b"{not json", b"\xff\xfe", b"", b'{"event_type": "wish"}', b'{"price": 1e999}')
                self._pipeline.send("product-events", product, self._chance.choice(poison))
            elif roll < 0.04 and self._sent:
                key, value = self._chance.choice(self._sent)
                self._pipeline.send("product-events", key, value)
            else:
                late_s = self._chance.randrange(86_400) if roll < 0.06 else 0
                self._now_s += 1
                self._event(product, self._now_s - late_s)
        self._pipeline.flush()
        return f"{count} events"

    def _event(self, product: str, timestamp: int) -> None:
        kind = self._chance.choice(["view", "cart", "purchase"])
        price = round(self._chance.uniform(0.01, 500), 2)
        text = (
            f'{{"event_type": "{kind}", "product_id": "{product}", "timestamp": {timestamp}, "price": {price}}}'
        ).encode()
        self._sent = [*self._sent[-50:], (product, text)]
        self._pipeline.send("product-events", product, text)

    def _product(self) -> str:
        return f"P{int(self._chance.paretovariate(0.7)) % PRODUCTS:03d}"

    def _override(self) -> str:
        product = f"P{self._chance.randrange(OVERRIDDEN):03d}"
        if self._chance.random() < 0.3:
            self._pipeline.send("price-overrides", product, None)
            self._pipeline.flush()
            return f"removed from {product}"
        price = round(self._chance.uniform(1, 900), 2)
        lasts_s = self._chance.choice([None, None, 1, 3])
        now = time.time()
        value = {
            "product_id": product,
            "override_price": price,
            "reason": "storm",
            "set_by": "storm",
            "set_at": round(now * 1000),
            "expires_at": None if lasts_s is None else round((now + lasts_s) * 1000),
        }
        self._pipeline.send("price-overrides", product, value)
        self._pipeline.flush()
        return f"{product} at {price}, for {lasts_s or 'good'}"

    def _kill_flow(self) -> str:
        """Kill the flow at a random moment after a burst was sent, so that it is often in the middle of it."""
        self._burst()
        delay_s = self._chance.uniform(0.0, 1.2)
        time.sleep(delay_s)
        self._pipeline.kill_flow()
        self.kills += 1
        self._start_flow()
        return f"-9 after {delay_s:.2f} s"

    def _kill_api(self) -> str:
        assert self._pipeline.api is not None
        self._pipeline.http.close()
        self._pipeline.api.kill()
        self._start_api(self._port)
        return "-9"

    def _freeze_server(self) -> str:
        server = self._chance.choice(self._servers)
        lasts_s = self._chance.uniform(0.5, 3.0)
        program = server.program
        assert program is not None
        program.send(signal.SIGSTOP)
        self._burst_while_away(server is self._kafka)
        time.sleep(lasts_s)
        program.send(signal.SIGCONT)
        return f"{program.name} for {lasts_s:.1f} s"

    def _burst_while_away(self, kafka_is_away: bool) -> None:
        if not kafka_is_away:
            self._burst()

    def _restart_redis(self) -> str:
        program = self._redis.program
        assert program is not None
        program.kill()
        self._burst()
        self._redis.start()
        return "killed, and empty now"

    def _restart_postgres(self) -> str:
        program = self._postgres.program
        assert program is not None
        program.kill()
        self._burst()
        self._postgres.start()
        return "killed"

    def _restart_kafka(self) -> str:
        program = self._kafka.program
        assert program is not None
        program.kill()
        time.sleep(self._chance.uniform(0, KAFKA_LASTS_S))
        self._kafka.start()
        return "killed"

    def _rescale(self) -> str:
        self._pipeline.stop_flow()
        self._processes = 3 - self._processes
        self._start_flow()
        return f"to {self._processes} processes"

    def _change_policy(self) -> str:
        # A clean stop: after a crash events are priced again, but a row keeps the policy of its first writing.
        self._pipeline.stop_flow()
        self._policy = 1 - self._policy
        self._start_flow()
        return list(POLICIES)[self._policy]


def storm(seed: int, steps: int | None, kills: int | None, say: Callable[[str], None]) -> Storm:
    """Run a storm in a folder of its own. A failure prints the seed, the actions and the differences."""
    with tempfile.TemporaryDirectory(prefix="pricewax-storm-") as path:
        folder = Path(path)
        folder.chmod(0o755)
        (folder / "pg").mkdir(mode=0o755)
        run = Storm(folder, seed, say)
        try:
            run.run(steps, kills)
        except BaseException:
            print(f"\nseed {seed}; actions:\n" + "\n".join(run.log), file=sys.stderr)
            raise
        return run


def main() -> int:
    """Run a storm by arguments; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.split(": ")[1])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--kills", type=int, help="go on until so many kills of the flow, instead of steps")
    options = parser.parse_args()
    if not kafka.is_available():
        print("chaos: needs a real Kafka, and so Java and Maven", file=sys.stderr)
        return 1
    started = time.monotonic()
    steps = None if options.kills else options.steps
    try:
        run = storm(options.seed, steps, options.kills, lambda line: print(line, flush=True))
    except AssertionError:
        traceback.print_exc()
        return 1
    minutes = (time.monotonic() - started) / 60
    print(
        f"seed {options.seed}: {len(run.log)} steps, {run.kills} kills of the flow, {minutes:.1f} minutes: all well"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
