"""The output step of all sinks: rows reach theirs, and so does resume state."""

from typing import Any

from bytewax.outputs import StatefulSinkPartition

from core.placement import Placement
from sinks.base.fan_out import FanOut, FanOutPartition, Rows
from sinks.base.outgoing import Outgoing
from sinks.base.sink import PlacedSink


class Part(StatefulSinkPartition[Outgoing[str], Any]):
    def __init__(self, state: Any) -> None:
        self.state = state
        self.wrote: list[Outgoing[str]] = []
        self.closed = False

    def write_batch(self, values: list[Outgoing[str]]) -> None:
        self.wrote += values

    def snapshot(self) -> Any:
        return self.state

    def close(self) -> None:
        self.closed = True


class Kept(PlacedSink[str, Any]):
    """A sink whose partition is `part`."""

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> Part:
        self.part = Part(resume_state)
        return self.part


def opened(resume_state: Any) -> tuple[Kept, Kept, FanOutPartition]:
    plain, history = Kept(), Kept()
    fan_out = FanOut({"plain": plain, "history": history}, placement=Placement(), alone="history")
    return plain, history, fan_out.build_part("step", "0", resume_state)


def test_rows_reach_their_sink_and_no_sink_is_called_for_none() -> None:
    plain, history, part = opened(None)
    part.write_batch([Rows(5, [["a"], []]), Rows(6, [["b", "c"], ["d"]])])
    assert plain.part.wrote == [Outgoing(5, ["a"]), Outgoing(6, ["b", "c"])]
    assert history.part.wrote == [Outgoing(6, ["d"])]
    part.close()
    assert (plain.part.closed, history.part.closed) == (True, True)


def test_state_is_kept_by_sink() -> None:
    plain, history, part = opened({"history": b"h"})
    assert (plain.part.state, history.part.state) == (None, b"h")
    assert part.snapshot() == {"history": b"h"}
    plain.part.state = 7
    again = opened(part.snapshot())
    assert (again[0].part.state, again[1].part.state) == (7, b"h")


def test_the_state_of_an_earlier_version_is_that_of_the_history() -> None:
    plain, history, part = opened(b"rows")
    assert (plain.part.state, history.part.state) == (None, b"rows")
    assert part.snapshot() == {"history": b"rows"}
