"""A click that changes nothing is not priced."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pricing.clicks import Click
from pricing.policy import parse_policy
from pricing.signals import Signal
from tests.support.signal_shop import DEMO, Shop, prices, some_signals

guarded = st.sampled_from(
    [
        "max_step_percent = 5\nendings = [9, 50]",
        "cooldown_s = 300",
        "min_change_percent = 3\nreversal_s = 400",
        "floor_ratio = 1.1\nendings = [99]",
        "",
    ]
)


@given(some_signals, st.integers(0, 12), guarded, st.booleans())
def test_a_click_that_is_not_priced_would_have_changed_nothing(
    signals: list[Signal], above: int, guardrails: str, has_half_life: bool
) -> None:
    demand = "half_life_s = 500\n" if has_half_life else ""
    text = DEMO.replace("factor = 1.02", f"factor = 1.02\nabove = {above}") + f"[guardrails]\n{guardrails}\n"
    policy = parse_policy(text.replace("[demand]\n", f"[demand]\n{demand}"))
    found = []
    for always in (False, True):
        shop = Shop(policy)
        if always:
            shop.shard.signals._may_change_price = lambda *_: True  # type: ignore[method-assign]
        shop.describe("A", stock_level=30.0)
        shop.describe("B", stock_level=3.0)
        # Each click twice, so that many have no effect.
        sent = [copy for each in signals for copy in [each] * (1 + isinstance(each, Click))]
        decisions = [decision for each in sent for decision in shop.send(each)]
        states = [msgspec.to_builtins(shop.shard.get(name)) for name in "AB"]
        found.append((prices(decisions), states))
    assert found[0] == found[1]
