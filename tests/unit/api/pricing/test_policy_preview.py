"""The preview of a policy: new prices, and what holds them."""

from pathlib import Path
from typing import Any

import pytest

from api.pricing.policy_preview import PolicyEffect, PolicyPreview, Today
from pricing.decision import Adjustment
from pricing.policy import parse_policy, policy_text
from sinks.redis.reader import StoredPrice, StoredProduct, StoredSignals
from tests.support.pipeline import ROOT


def _today(product_id: str, price: float, base: float, demand: float = 0.0, **fields: Any) -> Today:
    entry = StoredProduct(
        product_id, f"Name of {product_id}", fields.pop("category", ""), base, fields.pop("cost", None)
    )
    signals = fields.pop("signals", None)
    source, rules = fields.pop("source", "dynamic"), fields.pop("rules", {"demand": price - base})
    adjustments = [Adjustment("base", base, ""), *(Adjustment(rule, amount, "") for rule, amount in rules.items())]
    stored = StoredPrice(product_id, price, demand, 1, source, None, 0, adjustments, 0, "p", None, -1)
    return stored, entry, signals


def _effect(policy: str, *products: Today, limit: int = 20) -> PolicyEffect:
    preview = PolicyPreview(parse_policy(policy))
    for today in products:
        preview.add(today)
    return preview.effect(limit)


def test_new_prices_are_those_of_the_rules_and_guardrails() -> None:
    effect = _effect(
        "demand.factor = 1\nguardrails.ceiling = 20\n",
        _today("same", 12.0, 10.0, 4.0),
        _today("lower", 20.0, 10.0, 4.0, category="c"),
        _today("held", 21.0, 19.0, 4.0),
        _today("higher", 10.0, 10.0, 9.0, category="c"),
    )
    assert (effect.products, effect.raised, effect.lowered, effect.unchanged) == (4, 1, 2, 1)
    shown = [(each.product_id, each.old_price, each.new_price, each.change_percent) for each in effect.largest]
    assert shown == [("lower", 20, 12, -40), ("higher", 10, 13, 30), ("held", 21, 20, -4.76)]
    assert effect.bound_by == {"ceiling": 1}
    assert [(each.category, each.products, each.changed) for each in effect.categories] == [("", 2, 1), ("c", 2, 2)]
    assert effect.median_change_percent == -2.38
    assert effect.categories[1].median_change_percent == -5


def test_steps_and_cooldowns_only_delay_a_price() -> None:
    policy = "demand.factor = 0\n[guardrails]\nmax_step_percent = 1\ncooldown_s = 999\nmin_change_percent = 50\n"
    effect = _effect(policy, _today("A", 20.0, 10.0, 4.0))
    assert effect.largest[0].new_price == 10


def test_signals_of_now_count() -> None:
    policy = "demand.factor = 0\n[stock]\nlow_factor = 2.0\n[competitor]\nfactor = 0.5\n"
    low = StoredSignals(stock=1)
    dear = StoredSignals(min_competitor_price=5.0, competitor="x", quoted_at_ms=1)
    effect = _effect(policy, _today("low", 10.0, 10.0, signals=low), _today("dear", 10.0, 10.0, signals=dear))
    assert {each.product_id: each.new_price for each in effect.largest} == {"low": 20, "dear": 5}


def test_what_a_person_holds_only_moves_to_a_bound() -> None:
    override = _today("over", 30.0, 10.0, source="override", rules={"override": 20.0})
    frozen = _today("frozen", 30.0, 10.0, rules={"freeze": 20.0})
    effect = _effect("demand.factor = 9\nguardrails.ceiling = 25\n", override, frozen)
    assert (effect.by_hand, effect.unchanged) == (2, 1)
    assert [(each.product_id, each.new_price) for each in effect.largest] == [("over", 25)]


def test_bounds_that_contradict_each_other_keep_the_price() -> None:
    effect = _effect("[guardrails]\nceiling = 5\nfloor_margin = 0.5\n", _today("A", 12.0, 10.0, cost=8.0))
    assert (effect.unusable, effect.unchanged, effect.bound_by) == (1, 1, {})


def test_a_price_of_zero_and_a_product_without_amounts() -> None:
    stored, entry, _ = _today("none", 7.0, 7.0)
    bare = StoredPrice("none", 7.0, 0.0, 1, "override", None, 0, [], 0, "p", None, -1)
    assert stored.price == 7
    effect = _effect("guardrails.floor = 1\n", _today("zero", 0.0, 0.0), (bare, entry, None))
    assert [(each.product_id, each.change_percent) for each in effect.largest] == [("zero", None)]


def test_of_many_changes_the_largest_are_listed() -> None:
    products = [_today(f"P{index:02}", 10.0 + index, 10.0) for index in range(30)]
    effect = _effect("demand.factor = 0\n", *products, limit=3)
    assert [each.product_id for each in effect.largest] == ["P29", "P28", "P27"]
    assert effect.lowered == 29


@pytest.mark.parametrize("path", sorted((ROOT / "policies").glob("*.toml")), ids=lambda path: path.stem)
def test_the_text_of_a_policy_is_that_policy(path: Path) -> None:
    policy = parse_policy(path.read_text(encoding="utf-8"))
    assert parse_policy(policy_text(policy)) == policy


def test_the_text_of_the_default_policy() -> None:
    policy = parse_policy("")
    assert parse_policy(policy_text(policy)) == policy
    assert "factor = 5.0" in policy_text(policy)


def test_lists_are_on_one_line() -> None:
    policy = parse_policy('guardrails.endings = [49, 99]\ncompetitor.scraped = ["a b", "c"]\n')
    assert "endings = [49, 99]" in policy_text(policy).splitlines()
    assert 'scraped = ["a b", "c"]' in policy_text(policy).splitlines()
    assert parse_policy(policy_text(policy)) == policy


def test_products_of_a_freeze_keep_their_price_also_before_their_next_event() -> None:
    products = [_today("A", 10.0, 10.0, 4.0, category="c"), _today("B", 10.0, 10.0, 4.0, category="d")]
    for scopes, held in ((["all"], 2), (["category:c"], 1), (["product:B"], 1), ([], 0)):
        preview = PolicyPreview(parse_policy("demand.factor = 1\n"), scopes)
        for today in products:
            preview.add(today)
        assert preview.effect(9).by_hand == preview.effect(9).unchanged == held


def test_a_price_that_was_held_after_the_last_quote_stays_if_the_policy_holds() -> None:
    held = _today("A", 9.5, 10.0, rules={"competitor": 0.0, "no_competitor": -0.5})
    assert _effect('competitor.no_competitor = "hold"\n', held).unchanged == 1
    assert _effect("demand.factor = 0\n", held).largest[0].new_price == 10
