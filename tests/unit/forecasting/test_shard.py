"""Shards of forecasts: the features of the flow are those of the training, over the real year and any crash."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from connectors.generators.invoices import read_invoices
from core.room import UNBOUNDED
from core.shards import shard_of
from core.timestamps import DAY_MS
from forecasting.demand import AMOUNT_SCALE, SoldLine, demand_of, is_product
from forecasting.features import Features, day_features, hour_features, recent_rows
from forecasting.history import DAYS, HOUR_MS, MINUTE_MS, History
from forecasting.replay import Replay
from forecasting.state.shard import ForecastShard, Lane
from forecasting.state.signals import Cancel, Entry, Interest, Sale, Signal, Supply
from tests.support.pipeline import ROOT
from tests.support.small_shop import START_MS, demand_of_shop

YEAR = ROOT / "data" / "online-retail-2010-12-to-2011-10.csv.gz"
SHARDS = 4


class Flow:
    """Shards of one worker, fed in any pieces, with a document after each."""

    def __init__(self, documents: dict[int, list[bytes]] | None = None) -> None:
        self.lane = Lane(UNBOUNDED)
        self.documents = documents or {number: [] for number in range(SHARDS)}
        self.shards = [ForecastShard(self.lane, self.documents[number]) for number in range(SHARDS)]
        self.lane.shards = dict(enumerate(self.shards))

    def feed(self, signals: Sequence[Signal], now_ms: int) -> None:
        for signal in signals:
            self.shards[shard_of(signal.product_id.encode(), SHARDS)].apply([signal], now_ms)

    def at(self, at_ms: int) -> History:
        self.lane.history.advance(at_ms)
        return self.lane.history

    def save(self, *, whole: bool = False) -> None:
        for number, shard in enumerate(self.shards):
            if whole:
                self.documents[number] = [shard.snapshot()]
            elif (document := shard.changes()) is not None:
                self.documents[number].append(document)

    def crashed(self) -> "Flow":
        return Flow(self.documents)


def signals_of(lines: list[SoldLine]) -> list[Signal]:
    """The events that a shop would have sent for its invoices."""
    found: list[Signal] = []
    for line in sorted(lines, key=lambda each: (each.at_ms, each.units < 0)):
        if not is_product(line.product_id) or line.units == 0:
            continue
        if line.units < 0:
            found.append(Cancel(line.product_id, line.at_ms, line.customer, -line.units))
        elif line.price:
            amount = round(line.units * line.price * AMOUNT_SCALE)
            found.append(Sale(line.product_id, line.at_ms, line.units, amount, line.customer))
    return found


def moment_of(signal: Signal) -> int:
    return START_MS if isinstance(signal, Entry) else signal.at_ms


def by_name(history: History, features: Features) -> dict[str, bytes]:
    names = [history.names[row] for row in features.rows.tolist()]
    parts = zip(features.vectors, features.scale, features.steady, features.seen.T, strict=True)
    return {
        name: b"".join(np.ascontiguousarray(each).tobytes() for each in part)
        for name, part in zip(names, parts, strict=True)
    }


def assert_same(online: History, offline: History) -> int:
    rows = {id(history): recent_rows(history) for history in (online, offline)}
    day = online.at_ms // DAY_MS
    for make in (lambda history, rows: day_features(history, rows, day), hour_features):
        made = [make(history, rows[id(history)]) for history in (online, offline)]
        assert made[0].level == made[1].level
        mine, theirs = by_name(online, made[0]), by_name(offline, made[1])
        assert mine.keys() == theirs.keys()
        assert mine == theirs
    return len(rows[id(online)])


def test_features_of_the_flow_are_those_of_the_training_over_the_real_year() -> None:
    lines = [
        SoldLine(line.stock_code, line.event_time_ms, line.quantity, line.price, line.customer)
        for line in read_invoices(YEAR)
    ]
    demand = demand_of(lines)
    signals = signals_of(lines)
    offline, flow = Replay(demand), Flow()
    chance = random.Random(3)
    first, last = demand[0].at_ms // DAY_MS, demand[-1].at_ms // DAY_MS
    place = compared = 0
    for day in range(first + 10, last, 19):
        at_ms = day * DAY_MS + chance.randrange(24 * 60) * MINUTE_MS
        # The flow takes a minute's signals after it, and now and then some that are late.
        end = place
        while end < len(signals) and moment_of(signals[end]) < at_ms:
            end += 1
        arrived = list(signals[place:end])
        place = end
        flow.at(at_ms - HOUR_MS)
        flow.feed(arrived, at_ms)
        flow.save(whole=chance.random() < 0.3)
        if chance.random() < 0.4:
            flow = flow.crashed()
        compared += assert_same(flow.at(at_ms), offline.until(at_ms))
    assert compared > 30_000


def test_a_restored_flow_goes_on_as_one_that_never_stopped() -> None:
    sales = [
        Sale(each.product_id, each.at_ms, each.units, each.units * 100, f"u{number}", f"e{number}")
        for number, each in enumerate(demand_of_shop(days=60))
    ]
    signals: list[Signal] = [
        *sales,
        *(Cancel(each.product_id, each.at_ms + HOUR_MS, each.user, None) for each in sales[::40]),
        *(Interest(each.product_id, each.at_ms, True) for each in sales[::3]),
    ]
    signals += [Supply("20001", START_MS + day * DAY_MS, float(day)) for day in range(60)]
    signals += [Entry("20001", "mugs", 2.0), Entry("20002", "mugs", 3.0)]
    signals.sort(key=moment_of)
    steady, flow, chance = Flow(), Flow(), random.Random(5)
    pieces = [signals[start : start + 97] for start in range(0, len(signals), 97)]
    for number, piece in enumerate(pieces):
        at_ms = moment_of(piece[-1]) - 30 * MINUTE_MS  # The rest of it is still to come.
        for each in (steady, flow):
            each.feed(piece, at_ms)
            each.at(at_ms)
        flow.save(whole=chance.random() < 0.2)
        if chance.random() < 0.5:
            # Sent again after a crash: each event counts once.
            flow = flow.crashed()
            repeated = [each for each in piece if getattr(each, "event_id", None) is not None]
            flow.feed(repeated, at_ms)
        if number % 5 == 0:
            assert_same(flow.at(at_ms), steady.at(at_ms))
    assert_same(flow.at(at_ms), steady.at(at_ms))
    assert flow.shards[shard_of(b"20001", SHARDS)].products["20001"].category == "mugs"
    assert flow.lane.history.stock[flow.lane.history.rows["20001"]] == 59


def test_views_of_this_minute_outlive_a_crash() -> None:
    flow = Flow()
    now_ms = START_MS + DAY_MS
    flow.feed([Sale("p", now_ms - HOUR_MS, 1, 1), Interest("p", now_ms + 30_000, False)], now_ms + 30_000)
    flow.feed([Interest("p", now_ms + 40_000, False)] * 2, now_ms + 40_000)
    flow.save(whole=True)
    views = []
    for each in (flow, flow.crashed()):
        history = each.at(now_ms + 2 * MINUTE_MS)
        row = np.array([history.rows["p"]])
        views.append(history.minute_views.window(row, np.array([now_ms // MINUTE_MS]))[0, 0])
    assert views == [3, 3]


def test_interest_counts_from_the_first_message_on() -> None:
    """The sums of a new flow have no moment yet."""
    flow = Flow()
    now_ms = START_MS + DAY_MS
    flow.feed([Interest("p", now_ms - 5 * MINUTE_MS, True), Interest("p", now_ms, True)], now_ms)
    history = flow.at(now_ms + MINUTE_MS)
    assert history.minute_carts.sums[history.rows["p"]].sum() == 2


def test_a_cancel_takes_back_the_latest_sale_of_its_user_once() -> None:
    flow = Flow()
    at_ms = START_MS + DAY_MS
    flow.feed(
        [Sale("p", at_ms, 2, 20, "u"), Sale("p", at_ms + MINUTE_MS, 3, 30, "u"), Sale("p", at_ms, 9, 90)], at_ms
    )
    flow.feed([Cancel("p", at_ms + HOUR_MS, "u"), Cancel("p", at_ms + HOUR_MS, None)], at_ms)
    history = flow.at(at_ms + HOUR_MS)
    row = history.rows["p"]
    assert history.days.sums[row].sum() == 14
    flow.at(at_ms + 2 * HOUR_MS)
    assert history.days.sums[row].sum() == 11
    flow.feed([Cancel("p", at_ms + 3 * HOUR_MS, "u", 9), Cancel("p", at_ms + 30 * HOUR_MS, "u")], at_ms)
    flow.at(at_ms + 40 * HOUR_MS)
    assert history.days.sums[row].sum() == 11


def test_products_that_nobody_hears_of_are_forgotten_and_room_bounds_the_rest() -> None:
    class Room:
        free = 3

        def take(self) -> bool:
            if not self.free:
                return False
            self.free -= 1
            return True

        def note(self, change: int) -> None:
            self.free -= change

    lane = Lane(Room())
    shard = ForecastShard(lane)
    sales = [Sale(name, START_MS, 1, 1) for name in "abcd"]
    shard.apply([*sales[:2], Entry("c", "mugs", 1.0), sales[3]], START_MS)
    assert (list(shard.products), shard.refused) == (["a", "b", "c"], 1)
    shard.apply([Sale("b", START_MS + 100 * DAY_MS, 1, 1)], START_MS)
    lane.history.advance(START_MS + (DAYS + 1) * DAY_MS)
    assert shard.forget_old() == ["a"]
    shard.apply([Sale("d", START_MS + (DAYS + 1) * DAY_MS, 1, 1)], START_MS)
    assert (list(shard.products), shard.refused) == (["b", "c", "d"], 1)
    restored = ForecastShard(Lane(UNBOUNDED), [shard.snapshot()])
    assert list(restored.products) == ["b", "c", "d"]
    with pytest.raises(ValueError, match="format 9"):
        ForecastShard(Lane(UNBOUNDED), [b"[9,0,0]"])
