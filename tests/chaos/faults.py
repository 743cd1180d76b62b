"""Faults of servers and processes, chosen by weight: the part of a storm that all systems share."""

import abc
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stack import kafka
from stack.postgres import PostgresServer
from tests.chaos.redis_pair import RedisPair
from tests.support.pipeline import Pipeline, wait_for

KAFKA_LASTS_S = 3.0

REFUSED_WITHIN_S = 40.0
"""A second flow on the recovery folder must end within this time."""

REFUSED_CODE = 2

Actions = dict[str, tuple[int, Callable[[], str]]]
"""Name of an action to its weight and itself. It returns a text for the log."""

SomeStorm = TypeVar("SomeStorm", bound="Faults")


class Faults(abc.ABC):
    """One run: the servers, the pipeline, and the log of the actions so far. `say` takes each line of progress."""

    _pipeline: Pipeline

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._chance = random.Random(seed)
        self._say = say
        self.log: list[str] = []
        self.kills = 0
        self._kafka = kafka.KafkaServer(folder)
        self._redis = RedisPair()
        self._postgres = PostgresServer(folder / "pg", durable=True)
        self._folder = folder
        self._processes = 1
        self._lines_before = 0
        self._servers = (self._kafka, self._redis, self._postgres)
        self._actions: Actions = {
            "burst": (10, self._burst),
            "kill_flow": (8, self._kill_flow),
            "freeze": (2, self._freeze_server),
            "restart_redis": (1, self._restart_redis),
            "restore_redis": (1, self._restore_redis),
            "fail_over_redis": (1, self._fail_over_redis),
            "restart_postgres": (1, self._restart_postgres),
            "restart_kafka": (1, self._restart_kafka),
            "rescale": (1, self._rescale),
            "second_flow": (1, self._start_second_flow),
            **self._own_actions(),
        }

    @abc.abstractmethod
    def _own_actions(self) -> Actions:
        """Return the actions of the system."""

    @abc.abstractmethod
    def _start(self, stack: contextlib.ExitStack) -> None:
        """Make the pipeline and start the flow. The servers are up."""

    @abc.abstractmethod
    def _check(self) -> None:
        """Compare all outputs with the inputs. Raises AssertionError."""

    @abc.abstractmethod
    def _burst(self) -> str:
        """Send some input."""

    def _flow_environment(self) -> dict[str, Any]:
        """Return further environment variables of the flow."""
        return {}

    def run(self, steps: int | None, kills: int | None) -> None:
        """Run `steps` actions, or until the flow was killed `kills` times; then check all outputs. Raises
        AssertionError."""
        with contextlib.ExitStack() as stack:
            for server in self._servers:
                server.start()
                stack.callback(server.stop)
            self._start(stack)
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
            self._check()

    def _start_flow(self) -> None:
        self._lines_before = len(self._pipeline.logs)
        self._pipeline.start_flow(self._processes, **self._flow_environment())

    # The actions.

    def _kill_flow(self) -> str:
        """Kill the flow at a random moment after a burst was sent, so that it is often in the middle of it."""
        self._burst()
        delay_s = self._chance.uniform(0.0, 1.2)
        time.sleep(delay_s)
        self._pipeline.kill_flow()
        self.kills += 1
        self._start_flow()
        return f"-9 after {delay_s:.2f} s"

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


def run_storm(
    kind: Callable[[Path, int, Callable[[str], None]], SomeStorm],
    seed: int,
    steps: int | None,
    kills: int | None,
    say: Callable[[str], None],
) -> SomeStorm:
    """Run a storm in a folder of its own. A failure prints the seed, the actions and the differences."""
    with tempfile.TemporaryDirectory(prefix="pricewax-storm-") as path:
        folder = Path(path)
        folder.chmod(0o755)
        (folder / "pg").mkdir(mode=0o755)
        run = kind(folder, seed, say)
        try:
            run.run(steps, kills)
        except BaseException:
            print(f"\nseed {seed}; actions:\n" + "\n".join(run.log), file=sys.stderr)
            raise
        return run
