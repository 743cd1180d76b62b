"""The multiplier of a surge: its factors by hand, its bounds, and that it never moves the wrong way."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PolicyError
from pricing.engine import quote_dynamic, quote_rules
from pricing.policy import decode_policy, default_policy, encode_policy, parse_policy, policy_text
from pricing.rules import PricingInputs, SignalInputs
from pricing.surge import (
    SurgeInputs,
    SurgeParts,
    demand_factor,
    expected_demand,
    supply_factor,
    surge_of,
    surge_price,
    surge_reason,
    time_factor,
)
from pricing.surge_policy import SurgePolicy
from tests.support.pipeline import ROOT
from tests.support.surge_shop import SURGE, policy_of

USUAL = SurgePolicy(enabled=True)
WEIGHTS = st.floats(0, 3)
policies = st.builds(
    SurgePolicy,
    st.just(True),
    WEIGHTS,
    WEIGHTS,
    WEIGHTS,
    WEIGHTS,
    min=st.floats(0.1, 1),
    max=st.floats(1, 9),
    steepness=st.floats(0.01, 100),
    threshold=st.floats(0, 0.99),
    hours=st.lists(st.floats(0, 4), min_size=24, max_size=24).map(tuple),
)
scores = st.floats(0, 1)
units = st.floats(0, 1e12)
inputs = st.builds(
    SurgeInputs, st.none() | scores, st.none() | units, st.none() | units, st.none() | st.integers(0, 23), scores
)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (None, 0.0),
        (0.0, 0.0),
        (0.5, 0.0),
        # 2 tanh(3 * 0.1) / tanh(1.5) = 2 * 0.291312612 / 0.905148254
        (0.6, 0.6437),
        # 2 * 0.635148952 / 0.905148254
        (0.75, 1.4034),
        # 2 * 0.833654607 / 0.905148254
        (0.9, 1.8420),
        (1.0, 2.0),
    ],
)
def test_the_factor_of_demand(score: float | None, expected: float) -> None:
    assert float(demand_factor(score, USUAL)) == expected


@pytest.mark.parametrize(
    ("expected", "available", "factor"),
    [
        (15.0, 10.0, 0.5),
        (10.0, 10.0, 0.0),
        (5.0, 10.0, 0.0),
        (20.0, 15.0, 0.3333),
        (30.0, 10.0, 2.0),
        (31.0, 10.0, 2.0),
        (1e-300, 0.0, 2.0),
        (0.0, 0.0, 0.0),
        (None, 0.0, 0.0),
        (5.0, None, 0.0),
        # A tie in binary and in decimals: 1.03125 - 1.
        (1.03125, 1.0, 0.0313),
    ],
)
def test_the_factor_of_supply(expected: float | None, available: float | None, factor: float) -> None:
    assert float(supply_factor(expected, available)) == factor


@pytest.mark.parametrize(("entry", "expected"), [(1.0, 0.0), (1.4, 0.4), (0.5, 0.0), (3.0, 2.0), (3.5, 2.0)])
def test_the_factor_of_the_hour(entry: float, expected: float) -> None:
    policy = SurgePolicy(enabled=True, hours=(1.0,) * 7 + (entry,) + (1.0,) * 16)
    assert (float(time_factor(7, policy)), float(time_factor(8, policy))) == (expected, 0.0)
    assert float(time_factor(None, SurgePolicy(enabled=True, hours=(3.0,) * 24))) == 0.0


def test_a_surge_by_hand() -> None:
    policy = SurgePolicy(enabled=True, hours=(1.5,) * 24)
    surge = surge_of(SurgeInputs(0.75, 15.0, 10.0, 8, 0.8), policy)
    assert surge.factors == SurgeParts(1.4034, 0.5, 0.5, 1.6)
    # 0.4 * 1.4034, 0.3 * 0.5, 0.2 * 0.5, 0.1 * 1.6
    assert surge.terms == SurgeParts(0.56136, 0.15, 0.1, 0.16)
    assert surge.multiplier == 1.9714
    reason = "times 1.97: demand 0.56 (cached), supply 0.15, time of day 0.10, events 0.16"
    assert surge_reason(SurgeInputs(0.75, 15.0, 10.0, 8, 0.8, "cached"), policy) == reason
    # 1 + 0.8 + 0.6 + 0.2 + 0.2 at the extreme, where each factor is 2; the hour has half of that.
    extreme = SurgeInputs(1.0, 9.0, 0.0, 8, 1.0)
    assert surge_of(extreme, policy).multiplier == 2.7
    assert surge_of(extreme, SurgePolicy(enabled=True, max=1.7)).multiplier == 1.7
    assert surge_of(SurgeInputs(), SurgePolicy(enabled=True, min=0.9)).multiplier == 1.0
    assert surge_of(SurgeInputs(), policy).multiplier == 1.0


@pytest.mark.parametrize(
    ("mean_60", "mean_1440", "horizon_min", "expected"),
    [
        (12.0, None, 30.0, 6.0),
        (12.0, None, 120.0, 24.0),
        (None, 48.0, 720.0, 24.0),
        (None, 48.0, 30.0, 1.0),
        (12.0, 100.0, 60.0, 12.0),
        (12.0, 100.0, 15.0, 3.0),
        # Half of the way from 60 to 1440.
        (12.0, 100.0, 750.0, 56.0),
        (12.0, 100.0, 1440.0, 100.0),
        (12.0, 100.0, 2880.0, 200.0),
        (None, None, 60.0, None),
    ],
)
def test_expected_demand_over_the_supply_horizon(
    mean_60: float | None, mean_1440: float | None, horizon_min: float, expected: float | None
) -> None:
    assert expected_demand(mean_60, mean_1440, horizon_min) == expected


@pytest.mark.parametrize(
    ("price", "multiplier", "round_to", "expected"),
    [
        (10.0, 1.0, 0.25, 10.0),
        (10.1, 1.0, 0.25, 10.0),
        # Ties go up. As doubles, 1.1 * 1.25 is 1.3750000000000002, and 4.35 * 1.5 is 6.5249999999999995.
        (1.1, 1.25, 0.25, 1.5),
        (4.35, 1.5, 0.05, 6.55),
        (10.125, 1.0, 0.25, 10.25),
        (19.99, 1.9714, 0.25, 39.5),
        (19.99, 1.0001, 0.01, 19.99),
        (250.0, 1.01, 5.0, 255.0),
        # Nothing is free because it is cheap.
        (0.1, 1.0, 0.25, 0.1),
        (0.1, 1.25, 0.25, 0.25),
        (0.0, 3.0, 0.25, 0.0),
    ],
)
def test_a_price_is_rounded_half_up_to_the_step(
    price: float, multiplier: float, round_to: float, expected: float
) -> None:
    assert surge_price(price, multiplier, round_to) == expected


@given(st.integers(1, 10**9), st.integers(1, 90_000), st.sampled_from([0.01, 0.05, 0.25, 0.5, 1.0, 5.0]))
def test_the_step_equals_that_of_fractions(cents: int, multiplier: int, round_to: float) -> None:
    exact, step = Fraction(cents, 100) * Fraction(multiplier, 10_000), Fraction(str(round_to))
    steps = math.floor(exact / step + Fraction(1, 2))
    assert surge_price(cents / 100, multiplier / 10_000, round_to) == float(steps * step if steps else exact)


@given(inputs, policies)
def test_a_multiplier_is_the_sum_of_its_terms_within_its_bounds(known: SurgeInputs, policy: SurgePolicy) -> None:
    surge = surge_of(known, policy)
    factors, terms = surge.factors, surge.terms
    pairs = (
        (factors.demand, policy.demand_weight, terms.demand),
        (factors.supply, policy.supply_weight, terms.supply),
        (factors.time_of_day, policy.time_weight, terms.time_of_day),
        (factors.events, policy.event_weight, terms.events),
    )
    for factor, weight, term in pairs:
        assert 0 <= factor <= 2
        assert factor == round(factor, 4)
        assert term == pytest.approx(factor * weight)
    total = 1 + terms.demand + terms.supply + terms.time_of_day + terms.events
    assert surge.multiplier == round(surge.multiplier, 4)
    assert surge.multiplier == pytest.approx(min(max(total, policy.min), policy.max), abs=0.00005001)


def _more(known: SurgeInputs, **fields: Any) -> SurgeInputs:
    values = {name: getattr(known, name) for name in SurgeInputs.__struct_fields__}
    return SurgeInputs(**{**values, **fields})


@given(inputs, policies, st.tuples(scores, scores).map(sorted))
def test_more_demand_never_lowers_the_multiplier(known: SurgeInputs, policy: SurgePolicy, two: list[float]) -> None:
    low, high = (surge_of(_more(known, demand_score=score), policy).multiplier for score in two)
    assert surge_of(_more(known, demand_score=None), policy).multiplier <= low <= high


@given(inputs, policies, st.tuples(units, units).map(sorted))
def test_more_supply_never_raises_the_multiplier(known: SurgeInputs, policy: SurgePolicy, two: list[float]) -> None:
    scarce, ample = (surge_of(_more(known, available=each), policy).multiplier for each in two)
    assert scarce >= ample >= surge_of(_more(known, available=None), policy).multiplier


@given(inputs, policies, st.tuples(units, units).map(sorted))
def test_more_expected_demand_never_lowers_the_multiplier(
    known: SurgeInputs, policy: SurgePolicy, two: list[float]
) -> None:
    low, high = (surge_of(_more(known, expected=each), policy).multiplier for each in two)
    assert surge_of(_more(known, expected=None), policy).multiplier <= low <= high


@given(st.tuples(units, units).map(sorted), st.tuples(units, units).map(sorted), st.floats(1, 5000))
def test_higher_means_never_lower_the_expected_demand(
    hours: list[float], days: list[float], horizon_min: float
) -> None:
    (low, high), (less, more) = hours, days
    least, most = expected_demand(low, less, horizon_min), expected_demand(high, more, horizon_min)
    assert least is not None
    assert most is not None
    assert least <= most


@given(st.floats(0.01, 1e6), st.tuples(st.floats(1, 3), st.floats(1, 3)).map(sorted), st.sampled_from([0.01, 0.25]))
def test_a_higher_multiplier_never_lowers_the_price(price: float, two: list[float], round_to: float) -> None:
    low, high = (surge_price(price, multiplier, round_to) for multiplier in two)
    assert low <= high


def test_the_rule_is_the_last_one_and_says_why() -> None:
    policy = parse_policy(SURGE + "[stock]\nlow_factor = 1.2\n")
    known = SignalInputs(5.0, surge=SurgeInputs(0.75, 15.0, 10.0))
    _, shown, adjustments = quote_rules(PricingInputs(10.0, 4.0, None, known), policy)
    # 12 * 1.7114 = 20.5368
    assert shown == 20.5
    reason = "times 1.71: demand 0.56, supply 0.15, time of day 0.00, events 0.00"
    assert [(each.rule, each.amount) for each in adjustments] == [("base", 10.0), ("stock", 2.0), ("surge", 8.5)]
    assert adjustments[-1].reason == reason


def test_guardrails_come_after_the_surge() -> None:
    policy = parse_policy(SURGE + "[guardrails]\nceiling = 15.1\n")
    known = SignalInputs(surge=SurgeInputs(1.0, 15.0, 0.0))
    quote = quote_dynamic(
        PricingInputs(10.0, 0.0, None, known),
        policy,
        None,
        previous_price=None,
        changed_at_ms=None,
        event_time_ms=0,
    )
    assert (quote.price, [each.rule for each in quote.adjustments]) == (15.1, ["base", "surge", "ceiling"])


def test_a_policy_without_a_surge_has_the_version_that_it_had() -> None:
    assert default_policy().version == parse_policy("[surge]\nmax = 3.0\n").version == "dbcf2249f373"
    assert not default_policy().uses_signals
    assert policy_of().uses_signals
    assert policy_of().version != policy_of("max = 2.0\n").version
    assert not policy_of().uses_stock


def test_a_policy_with_a_surge_is_read_back() -> None:
    for policy in (policy_of("supply_ttl_s = 60\nsupply_horizon_min = 1440\n"), default_policy()):
        assert parse_policy(policy_text(policy)) == policy
        assert decode_policy(encode_policy(policy)) == policy
    # As a flow of an earlier version has published it.
    assert decode_policy(encode_policy(default_policy()).replace("surge", "other")) == default_policy()


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("demand_weight = -0.1", "surge.demand_weight takes a number from 0 to 1,000"),
        ("supply_weight = nan", "surge.supply_weight takes a number from 0 to 1,000"),
        ("time_weight = 1001", "surge.time_weight takes"),
        ("event_weight = inf", "surge.event_weight takes"),
        ("min = 0", "surge.min takes a number above 0 and at most surge.max"),
        ("min = 2\nmax = 1.5", "surge.min takes"),
        ("max = nan", "surge.max takes a number above 0 and at most 1,000"),
        ("steepness = 0", "surge.steepness takes a number from 0.01 to 1,000"),
        ("threshold = 1", "surge.threshold takes a number from 0 to below 1"),
        ("round_to = 0", "surge.round_to takes a number above 0"),
        ("round_to = 0.125", "surge.round_to takes a whole number of minor units of the currency"),
        ("supply_horizon_min = 0", "surge.supply_horizon_min takes a number above 0 and at most 525,600"),
        ("hours = [1.0]", "surge.hours takes 24 numbers from 0 to 1,000, one for each hour of the day (UTC)"),
        (f"hours = {[1.0] * 23 + [-1.0]}", "surge.hours takes 24 numbers"),
        ("forecast_ttl_s = 0", "surge.forecast_ttl_s takes a number above 0"),
        ("supply_ttl_s = inf", "surge.supply_ttl_s takes a number above 0"),
        ("weight = 1", "unknown field `weight`"),
        ("supply_horizon_min = 'day'", "supply_horizon_min"),
    ],
)
def test_a_bad_number_is_named(text: str, takes: str) -> None:
    with pytest.raises(PolicyError) as raised:
        policy_of(text)
    assert takes in str(raised.value)


def test_a_currency_without_minor_units_needs_another_step_only_with_a_surge() -> None:
    assert parse_policy('currency = "JPY"').surge.round_to == 0.25
    with pytest.raises(PolicyError, match="whole number of minor units"):
        parse_policy('currency = "JPY"\n[surge]\nenabled = true\n')
    assert parse_policy('currency = "JPY"\n[surge]\nenabled = true\nround_to = 10\n').surge.round_to == 10


def test_the_policy_of_a_marketplace_has_a_surge_and_a_ceiling() -> None:
    policy = parse_policy((ROOT / "policies" / "surge.toml").read_text(encoding="utf-8"))
    assert policy.surge.enabled
    assert policy.guardrails.ceiling_ratio is not None
    assert policy.demand.factor == 0
    assert policy.surge.hours[18] == max(policy.surge.hours) > policy.surge.hours[3] == 1.0
