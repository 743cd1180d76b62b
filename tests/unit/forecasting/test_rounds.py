"""Rounds: the pace of forecasts, the chain from a model to nothing, and hours that are over."""

from collections.abc import Callable

import numpy as np
import pytest

from core.room import UNBOUNDED
from core.timestamps import DAY_MS
from forecasting.features import Features
from forecasting.forecast import by_chance, demand_score, next_day, poisson_quantile, shorter
from forecasting.history import HOUR_MS, MINUTE_MS
from forecasting.model import ModelError, Units
from forecasting.published import Forecast, Made
from forecasting.state.rounds import Rounds
from forecasting.state.shard import ForecastShard, Lane
from forecasting.state.signals import Entry, Interest, Sale
from tests.support.small_shop import START, START_MS, demand_of_shop

NOW = START_MS + 120 * DAY_MS + 10 * HOUR_MS


class Flat:
    """A model that says the same of all products. It fails while `broken` is set."""

    def __init__(self, version: str = "m", hour: float = 3.0) -> None:
        self.version = version
        self.hour = hour
        self.broken = False
        self.rows = 0

    def forecast(self, kind: str, features: Features) -> Units:
        if self.broken:
            raise ModelError("broken")
        self.rows += len(features.rows)
        value = np.full(len(features.rows), self.hour if kind == "hour" else 24.0)
        return Units(value * 0.5, value, value * 2, value)


class Chosen:
    changes = 0

    def __init__(self, model: Flat | None) -> None:
        self.model = model

    def of(self, product_id: str) -> Flat | None:
        return self.model


def shop_rounds(failures: list[str] | None = None) -> Rounds:
    lane = Lane(UNBOUNDED)
    shard = ForecastShard(lane)
    lane.shards[0] = shard
    entries = [Entry(f"{20000 + number}", "mugs" if number < 20 else "", 2.0) for number in range(40)]
    sales = [Sale(each.product_id, each.at_ms, each.units, 1) for each in demand_of_shop() if each.at_ms < NOW]
    shard.apply([*entries, *sales], NOW)
    lane.clock.note(NOW, NOW)
    return Rounds(shard, 0, 1, failures.append if failures is not None else pytest.fail)


def latest(made: list[Made]) -> dict[str, Forecast]:
    return {each.forecast.product_id: each.forecast for each in made}


def test_forecasts_of_a_model_have_all_horizons() -> None:
    rounds = shop_rounds()
    found = latest(rounds.make(Chosen(Flat()), NOW))
    assert len(found) == 40
    forecast = found["20039"]
    assert (forecast.source, forecast.model, forecast.made_at_ms) == ("model", "m", NOW)
    assert [*forecast.horizons] == [1, 5, 15, 30, 60, 1440]
    assert forecast.horizons[60].mean == 3.0
    assert forecast.horizons[15].mean == pytest.approx(0.75)
    assert forecast.horizons[1440].mean == pytest.approx(24.0, rel=0.1) or forecast.horizons[1440].mean > 0
    assert 0 < forecast.demand_score < 1
    assert found["20000"].demand_score > found["20039"].demand_score  # It usually sells less.


def test_busy_products_are_forecast_every_minute_and_quiet_ones_every_five() -> None:
    rounds, models = shop_rounds(), Chosen(Flat())
    assert rounds.next_ms(NOW) == NOW + MINUTE_MS
    rounds.make(models, NOW)
    assert rounds.make(models, NOW + 1000) == []
    # Nothing sold in the last hour, but one is looked at.
    quiet = NOW + 90 * MINUTE_MS
    rounds.make(models, quiet)
    shard = rounds._shard
    shard.apply([Interest("20003", quiet, False)], quiet)
    counts: dict[str, int] = {}
    for minute in range(1, 11):
        for name in latest(rounds.make(models, quiet + minute * MINUTE_MS)):
            counts[name] = counts.get(name, 0) + 1
    assert counts.pop("20003") == 10
    assert set(counts.values()) == {2}


def test_the_chain_from_a_model_to_nothing() -> None:
    failures: list[str] = []
    rounds, model = shop_rounds(failures), Flat()
    models = Chosen(model)
    first = latest(rounds.make(models, NOW))
    model.broken = True
    cached = latest(rounds.make(models, NOW + MINUTE_MS))
    assert {each.source for each in cached.values()} == {"cached"}
    name = next(iter(cached))
    assert cached[name].made_at_ms == NOW
    assert cached[name].horizons == first[name].horizons
    assert cached[name].version > first[name].version
    assert failures
    models.model = None
    later: dict[str, Forecast] = {}
    for minute in range(6, 11):  # The quiet ones take turns.
        later |= latest(rounds.make(models, NOW + minute * MINUTE_MS))
    sources = {name: each.source for name, each in later.items()}
    assert sources["20001"] == "category"
    assert sources["20039"] == "base"
    of_category = later["20001"]
    assert of_category.horizons[60].mean > 0
    assert of_category.horizons[1440].mean > of_category.horizons[60].mean
    assert later["20039"].horizons == {}
    assert later["20039"].demand_score == 0.5
    # The model is back, and so are its forecasts.
    models.model, model.broken = model, False
    back = latest(rounds.make(models, NOW + 11 * MINUTE_MS))
    assert {each.source for each in back.values()} == {"model"}
    assert len(back) == 40


def test_a_call_ends_when_its_time_is_up_and_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, models = shop_rounds(), Chosen(Flat())

    def at_once() -> Callable[[], bool]:
        calls = iter([False, True])
        return lambda: next(calls, True)

    monkeypatch.setattr("forecasting.state.rounds.BATCH", 15)
    counts: list[int] = []
    while rounds.next_ms(NOW) == NOW or not counts:
        counts.append(len(rounds.make(models, NOW, at_once())))
    assert counts == [15, 15, 10]


def test_an_hour_that_is_over_has_its_units_and_its_first_forecast() -> None:
    rounds, models = shop_rounds(), Chosen(Flat())
    rounds.make(models, NOW)
    rounds._shard.apply([Sale("20005", NOW + 5 * MINUTE_MS, 7, 1)], NOW + 5 * MINUTE_MS)
    models.model = Flat("other", 8.0)
    during = rounds.make(models, NOW + 30 * MINUTE_MS)
    assert all(each.ended is None for each in during)
    rounds._shard.apply([Sale("20005", NOW + 61 * MINUTE_MS, 9, 1)], NOW + 61 * MINUTE_MS)
    ended = {each.ended.product_id: each.ended for each in rounds.make(models, NOW + 65 * MINUTE_MS) if each.ended}
    assert ended["20005"].units == 7
    assert (ended["20005"].hour.start_ms, ended["20005"].hour.model) == (NOW, "m")
    assert ended["20005"].hour.units.mean == 3.0


def test_days_are_forecast_once_a_day() -> None:
    rounds, model = shop_rounds(), Flat()
    rounds.make(Chosen(model), NOW)
    assert model.rows == 40 + 2 * 40
    rounds.make(Chosen(model), NOW + 5 * MINUTE_MS)
    assert model.rows <= 40 + 2 * 40 + 40


def test_versions_rise_also_when_the_clock_goes_back() -> None:
    rounds, models = shop_rounds(), Chosen(Flat())
    first = latest(rounds.make(models, NOW))
    rounds._minute = -1
    again = latest(rounds.make(models, NOW - HOUR_MS))
    assert all(again[name].version > first[name].version for name in again)


def test_the_first_day_of_a_shop_can_be_restored() -> None:
    """Nothing is usual on it: no figure may become what JSON does not have."""
    for model in (Flat(), None):
        lane = Lane(UNBOUNDED)
        shard = ForecastShard(lane)
        lane.shards[0] = shard
        shard.apply([Entry("a", "mugs", 2.0), Sale("a", NOW, 3, 1)], NOW)
        made = Rounds(shard, 0, 1, pytest.fail).make(Chosen(model), NOW + MINUTE_MS)
        (forecast,) = latest(made).values()
        assert (forecast.source, forecast.demand_score >= 0) == ("model" if model else "base", True)
        restored = ForecastShard(Lane(UNBOUNDED), [shard.snapshot()])
        assert restored.products["a"].last == forecast


def test_forecasts_outlive_a_crash_with_their_hours_and_versions() -> None:
    rounds, models = shop_rounds(), Chosen(Flat())
    shard = rounds._shard
    documents = [shard.snapshot()]
    first = latest(rounds.make(models, NOW))
    documents.append(shard.changes() or b"")
    assert shard.changes() is None
    lane = Lane(UNBOUNDED)
    again = ForecastShard(lane, documents)
    lane.shards[0] = again
    assert {name: product.last for name, product in again.products.items() if product.last} == first
    # Two hours later, by a clock that has gone back since.
    lane.clock.note(NOW + 2 * HOUR_MS, NOW - HOUR_MS)
    made = Rounds(again, 0, 1, pytest.fail).make(models, NOW - HOUR_MS)
    assert all(each.ended is not None and each.ended.hour.start_ms == NOW for each in made)
    assert all(version.version > first[name].version for name, version in latest(made).items())


def test_products_take_turns_when_the_flow_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecasting.state.rounds.BATCH", 5)
    rounds, models, seen = shop_rounds(), Chosen(None), set[str]()
    for minute in range(8):
        calls = iter([False])
        seen |= latest(rounds.make(models, NOW + minute * MINUTE_MS, lambda calls=calls: next(calls, True))).keys()  # type: ignore[misc]
    assert len(seen) == 40


def test_the_demand_score() -> None:
    assert demand_score(4.0, 4.0) == 0.5
    assert demand_score(9.0, 0.0) == 0.9091
    assert demand_score(0.0, 9.0) == 0.0909


def test_quantiles_of_chance_are_those_of_the_distribution() -> None:
    drawn = np.random.default_rng(1).poisson(3.0, 200_000)
    for level in (0.1, 0.5, 0.9):
        assert poisson_quantile(np.array([3.0]), level)[0] == np.quantile(drawn, level)
    assert by_chance(np.array([0.0])).p90[0] == 0
    large = np.random.default_rng(1).poisson(400.0, 100_000)
    assert poisson_quantile(np.array([400.0]), 0.9)[0] == pytest.approx(np.quantile(large, 0.9), abs=1)
    hour = Units(np.array([1.0]), np.array([2.0]), np.array([4.0]), np.array([2.4]))
    part = shorter(hour, 30, np.array([2.0]))
    assert (part.mean[0], part.p50[0], part.p90[0]) == (1.2, 0.0, 4.0)
    both = next_day(hour, Units(*(np.array([value]) for value in (0.0, 0.0, 0.0, 1.0))), 0.25)
    assert both.mean[0] == pytest.approx(0.6 + 0.75)
    assert START * DAY_MS == START_MS
