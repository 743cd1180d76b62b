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
from tests.chaos.generations import Generations
from tests.chaos.inputs import PARTITIONS, Inputs
from tests.chaos.redis_pair import RedisPair
from tests.chaos.verdict import POLICIES, check
from tests.chaos.watcher import Watcher
from tests.support.pipeline import Pipeline, wait_for

KAFKA_LASTS_S = 3.0
PARTITIONS_MAX = 8
"""A storm adds partitions to a topic up to this number."""

REFUSED_WITHIN_S = 40.0
"""A second flow on the recovery folder must end within this time."""

REFUSED_CODE = 2


class Storm:
    """One run: the servers, the pipeline, and the log of the actions so far. `say` takes each line of progress."""

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._chance = random.Random(seed)
        self._inputs = Inputs(self._chance)
        self._say = say
        self.log: list[str] = []
        self.kills = 0
        self._kafka = kafka.KafkaServer(folder)
        self._redis = RedisPair()
        self._postgres = PostgresServer(folder / "pg", durable=True)
        self._folder = folder
        self._processes = 1
        self._lines_before = 0
        self._policy = 0
        self._update_partitions = PARTITIONS
        self._servers = (self._kafka, self._redis, self._postgres)
        self._actions: dict[str, tuple[int, Callable[[], str]]] = {
            "burst": (10, self._burst),
            "override": (4, self._override),
            "kill_flow": (8, self._kill_flow),
            "kill_api": (1, self._kill_api),
            "freeze": (2, self._freeze_server),
            "restart_redis": (1, self._restart_redis),
            "restore_redis": (1, self._restore_redis),
            "fail_over_redis": (1, self._fail_over_redis),
            "restart_postgres": (1, self._restart_postgres),
            "restart_kafka": (1, self._restart_kafka),
            "rescale": (1, self._rescale),
            "policy": (1, self._change_policy),
            "second_flow": (1, self._start_second_flow),
            "add_partitions": (1, self._add_partitions),
            "remake_topic": (1, self._remake_topic),
        }

    def run(self, steps: int | None, kills: int | None) -> None:
        """Run `steps` actions, or until the flow was killed `kills` times; then check all outputs. Raises
        AssertionError."""
        with contextlib.ExitStack() as stack:
            for server in self._servers:
                server.start()
                stack.callback(server.stop)
            self._pipeline = Pipeline(self._kafka.brokers, self._postgres, self._redis, self._folder)
            self._generations = Generations(self._pipeline)
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
            check(self._pipeline, watcher, self._generations)

    def _close(self) -> None:
        for program in self._pipeline.flow:
            program.kill()
        if self._pipeline.api is not None:
            self._pipeline.http.close()
            self._pipeline.api.kill()
        self._pipeline.redis.close()

    def _start_flow(self) -> None:
        self._lines_before = len(self._pipeline.logs)
        self._pipeline.start_flow(self._processes, POLICY=self._paths[self._policy])

    def _start_api(self, port: int | None = None) -> None:
        self._pipeline.start_api(port, POLICY=self._paths[self._policy])
        wait_for(self._pipeline.api_ready)

    # The actions. Each returns a text for the log.

    def _burst(self) -> str:
        return self._inputs.burst(self._pipeline)

    def _override(self) -> str:
        return self._inputs.override(self._pipeline)

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
        self._burst()
        self._redis.restart_empty()
        return "killed, and empty now"

    def _restore_redis(self) -> str:
        self._redis.save()
        self._burst()
        time.sleep(self._chance.uniform(0, 2))
        self._redis.restart_saved()
        return "killed, and back with the data of before a burst"

    def _fail_over_redis(self) -> str:
        self._redis.copy_to_standby()
        self._burst()
        time.sleep(self._chance.uniform(0, 2))
        self._redis.fail_over()
        self._pipeline.redis.connection_pool.disconnect()
        return "to a standby with the data of before a burst"

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
        # A clean stop of a flow that has read again what a crash left. Otherwise events that were published under
        # one policy are priced again under the next one, by which a late event has no row.
        self._pipeline.wait_for_commit("product-events")
        self._pipeline.stop_flow()
        self._policy = (self._policy + self._chance.randrange(1, len(POLICIES))) % len(POLICIES)
        self._start_flow()
        return list(POLICIES)[self._policy]

    def _start_second_flow(self) -> str:
        """A second flow on the same recovery folder must be refused, and must leave the first one as it is."""
        # The flow that locks the folder first is the first one.
        wait_for(self._is_running, REFUSED_WITHIN_S, self._pipeline.output)
        first, lines_before = list(self._pipeline.flow), self._lines_before
        self._pipeline.flow.clear()
        self._start_flow()
        second, self._pipeline.flow, self._lines_before = self._pipeline.flow, first, lines_before
        self._burst()
        for program in second:
            program.process.wait(REFUSED_WITHIN_S)
            code = program.stop()
            assert code == REFUSED_CODE, f"a second flow ended with {code}\n{self._pipeline.output()}"
        return "was refused"

    def _is_running(self) -> bool:
        """Return True if every process of the flow has logged its start, which is after it locked the folder."""
        lines = self._pipeline.logs[self._lines_before :]
        return sum("flow starts" in line for line in lines) >= len(self._pipeline.flow)

    def _add_partitions(self) -> str:
        """Add a partition to the updates, or to the events with a restart of the flow, which reads them then."""
        pipeline = self._pipeline
        of_events = self._chance.random() < 0.5
        count = (self._inputs.partitions if of_events else self._update_partitions) + 1
        if count > PARTITIONS_MAX:
            return "there are enough"
        topic = "product-events" if of_events else "price-updates"
        pipeline.add_partitions(topic, count)
        if of_events:
            self._inputs.partitions = count
            self._burst()
            pipeline.stop_flow()
        else:
            self._update_partitions = count
            pipeline.stop_flow()
        self._start_flow()
        return f"{topic} has {count}"

    def _remake_topic(self) -> str:
        """Delete the events topic and make it again while the flow is away, after the flow has committed all of it.
        The next flow finds new messages in it."""
        self._burst()
        self._pipeline.wait_for_commit("product-events")
        self._pipeline.stop_flow()
        self._generations.make_again(self._inputs.partitions)
        self._burst()
        self._start_flow()
        return "product-events, deleted and made again"


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
