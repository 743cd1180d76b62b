"""`make chaos SEED= STEPS=`: random faults, chosen by weight, against the whole stack. Then an independent check
compares all outputs with the inputs (tests/chaos/verdict.py). The same seed gives the same actions."""

import argparse
import contextlib
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stack import kafka
from tests.chaos.faults import Actions, Faults, run_storm
from tests.chaos.generations import Generations
from tests.chaos.inputs import PARTITIONS, Inputs
from tests.chaos.market_storm import MarketStorm
from tests.chaos.verdict import POLICIES, check
from tests.chaos.watcher import Watcher
from tests.support.pipeline import Pipeline, wait_for

PARTITIONS_MAX = 8
"""A storm adds partitions to a topic up to this number."""


class Storm(Faults):
    """The storm of the pricing flow and the API."""

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        super().__init__(folder, seed, say)
        self._inputs = Inputs(self._chance)
        self._policy = 0
        self._update_partitions = PARTITIONS

    def _own_actions(self) -> Actions:
        return {
            "override": (4, self._override),
            "kill_api": (1, self._kill_api),
            "policy": (1, self._change_policy),
            "add_partitions": (1, self._add_partitions),
            "remake_topic": (1, self._remake_topic),
        }

    def _start(self, stack: contextlib.ExitStack) -> None:
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
        self._watcher = stack.enter_context(Watcher(self._pipeline.url))
        self._port = int(self._pipeline.url.rsplit(":", 1)[1])

    def _check(self) -> None:
        check(self._pipeline, self._watcher, self._generations)

    def _flow_environment(self) -> dict[str, Any]:
        return {"POLICY": self._paths[self._policy]}

    def _close(self) -> None:
        for program in self._pipeline.flow:
            program.kill()
        if self._pipeline.api is not None:
            self._pipeline.http.close()
            self._pipeline.api.kill()
        self._pipeline.redis.close()

    def _start_api(self, port: int | None = None) -> None:
        self._pipeline.start_api(port, POLICY=self._paths[self._policy])
        wait_for(self._pipeline.api_ready)

    # The actions. Each returns a text for the log.

    # The actions. Each returns a text for the log.

    def _burst(self) -> str:
        return self._inputs.burst(self._pipeline)

    def _override(self) -> str:
        return self._inputs.override(self._pipeline)

    def _kill_api(self) -> str:
        assert self._pipeline.api is not None
        self._pipeline.http.close()
        self._pipeline.api.kill()
        self._start_api(self._port)
        return "-9"

    def _change_policy(self) -> str:
        # A clean stop of a flow that has read again what a crash left. Otherwise events that were published under
        # one policy are priced again under the next one, by which a late event has no row.
        self._pipeline.wait_for_commit("product-events")
        self._pipeline.stop_flow()
        self._policy = (self._policy + self._chance.randrange(1, len(POLICIES))) % len(POLICIES)
        self._start_flow()
        return list(POLICIES)[self._policy]

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


def main() -> int:
    """Run a storm by arguments; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.split(": ")[1])
    parser.add_argument("--market", action="store_true", help="the market's flow, not that of pricing")
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
        kind = MarketStorm if options.market else Storm
        run: Faults = run_storm(kind, options.seed, steps, options.kills, lambda line: print(line, flush=True))
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
