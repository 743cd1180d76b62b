"""Lanes: bounds in total and by host, and turns."""

from hypothesis import given
from hypothesis import strategies as st

from api.market.host_lanes import HostLanes


def test_a_slow_host_does_not_hold_up_the_others() -> None:
    lanes: HostLanes[str] = HostLanes(running_max=6, per_host_max=2)
    for index in range(10):
        lanes.add("slow", f"slow{index}")
    lanes.add("fast", "fast0")
    assert [lanes.take() for _ in range(4)] == ["slow0", "fast0", "slow1", None]
    lanes.add("fast", "fast1")
    assert lanes.take() == "fast1"
    lanes.release("slow")
    assert (lanes.take(), lanes.take()) == ("slow2", None)


@given(
    steps=st.lists(st.one_of(st.sampled_from("abcd"), st.sampled_from([None, "release"]))),
    running_max=st.integers(1, 5),
    per_host_max=st.integers(1, 3),
)
def test_every_item_runs_once_in_order_and_within_the_bounds(
    steps: list[str | None], running_max: int, per_host_max: int
) -> None:
    lanes: HostLanes[tuple[str, int]] = HostLanes(running_max, per_host_max)
    added: list[tuple[str, int]] = []
    running: list[str] = []
    taken: list[tuple[str, int]] = []

    def take() -> bool:
        if (item := lanes.take()) is None:
            return False
        taken.append(item)
        running.append(item[0])
        assert len(running) <= running_max
        assert running.count(item[0]) <= per_host_max
        return True

    for step in steps:
        if step is None:
            take()
        elif step != "release":
            added.append((step, len(added)))
            lanes.add(step, added[-1])
        elif running:
            lanes.release(running.pop(0))
    while take() or running:
        if running:
            lanes.release(running.pop(0))
    for host in "abcd":
        assert [each for each in taken if each[0] == host] == [each for each in added if each[0] == host]
