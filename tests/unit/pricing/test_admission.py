"""The bound on the number of products: which signals are refused, and what their letters hold."""

from pricing.batches import Change, ChangeBatch, EventBatch
from pricing.catalogue import CatalogueChange
from pricing.commands import Freeze, OverrideRemoval, PriceOverride
from pricing.policy import default_policy
from pricing.state.admission import admit_changes
from pricing.state.lane import Lane
from pricing.state.shard import Shard
from tests.support.shards import apply
from tests.support.signals import POSITION, T0, entry, event, override


class Places:
    """Room for some products."""

    def __init__(self, count: int) -> None:
        self.count = count

    def take(self) -> bool:
        self.count -= 1
        return self.count >= 0

    @property
    def free(self) -> int:
        return max(0, self.count)

    def note(self, change: int) -> None:
        self.count -= change


def test_events_of_known_products_always_pass_and_others_become_letters_with_the_whole_message() -> None:
    names = ["A", "B", "C", "B", "D", "A"]
    batch = EventBatch(
        topic="t",
        partitions=[3] * 6,
        offsets=[10, 11, 12, 13, 14, 15],
        keys=[name.encode() for name in names],
        events=[event(10, product=name) for name in names],
        kafka_time_ms=5,
        values=[f"raw {name}".encode() for name in names],
        shards=[7] * 6,
    )
    lane, shard = Lane(default_policy(), Places(1)), Shard(default_policy())
    apply(shard, event(10))
    lane.hold(7, shard)
    events, decisions, letters = lane.apply_events(batch, T0)
    assert events is not None
    assert (events.offsets, events.keys, len(events.updates)) == ([10, 11, 13, 15], [b"A", b"B", b"B", b"A"], 4)
    assert decisions == []
    assert [(each.error_code, each.position.offset, each.raw) for each in letters] == [
        ("too_many_products", 12, b"raw C"),
        ("too_many_products", 14, b"raw D"),
    ]
    assert {(each.stage, each.position.topic, each.position.partition) for each in letters} == {("price", "t", 3)}
    assert len(shard) == 2


def test_only_catalogue_entries_and_overrides_add_products() -> None:
    changes: list[Change] = [
        entry(4.0),
        CatalogueChange("A", None, T0, 1),
        OverrideRemoval("A", T0, 2),
        Freeze("product:A", "x", "ann", T0, POSITION, recorded=True),
        override(5.0, offset=4),
    ]
    batch = ChangeBatch("t", 0, changes, 5, [b"0", b"1", b"2", b"3", b"4"])
    kept, letters = admit_changes(batch, {}, 0)
    assert list(kept.changes) == changes[1:4]
    assert [(each.position.offset, each.raw) for each in letters] == [(0, b"0"), (4, b"4")]
    assert admit_changes(batch, {}, 1) == (batch, [])
    assert admit_changes(batch, {"A"}, 0) == (batch, [])


def test_a_refused_tombstone_has_no_message() -> None:
    other = PriceOverride("B", 5.0, "r", "ann", T0, None, override(5.0).position)
    _, (letter,) = admit_changes(ChangeBatch("t", 0, [other]), {}, 0)
    assert letter.raw == b""
