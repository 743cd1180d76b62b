"""Stages of models, and gates."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.gates import LIMITS, Gate, failed_gates, gate
from forecasting.registry.stages import (
    PromotionError,
    Rollout,
    Stage,
    StageChange,
    is_chosen,
    rollback_of,
    rollout_of,
)


def changes(*steps: tuple[str, Stage]) -> Rollout:
    return rollout_of(
        StageChange(number, version, stage, 0.1, 0, "w", "y") for number, (version, stage) in enumerate(steps, 1)
    )


def test_promotions_and_their_way_back() -> None:
    state = changes(("a", "shadow"), ("a", "canary"), ("a", "live"), ("b", "canary"))
    assert (state.live, state.canary, state.shadow, state.share) == ("a", "b", None, 0.1)
    assert rollback_of(state) == ("b", "retired")
    state = changes(("a", "live"), ("b", "canary"), ("b", "live"), ("c", "live"))
    assert (state.live, state.canary, state.earlier) == ("c", None, ("a", "b"))
    assert [state.stage_of(version) for version in "abc"] == ["retired", "retired", "live"]
    assert rollback_of(state) == ("b", "live")
    assert rollback_of(state, "a") == ("a", "live")
    back = changes(("a", "live"), ("b", "live"), ("c", "live"), ("b", "live"))
    assert (back.live, back.earlier) == ("b", ("a",))
    assert rollback_of(back) == ("a", "live")
    assert rollback_of(changes(("a", "live"))) == ("a", "retired")
    with pytest.raises(PromotionError, match="no model to go back to"):
        rollback_of(changes(("a", "live"), ("a", "retired")))
    with pytest.raises(PromotionError, match="was not live before"):
        rollback_of(back, "c")
    gone = changes(("a", "live"), ("a", "retired"))
    assert gone.live is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["shadow", "canary", "live", "retired"])), max_size=12
    )
)
def test_a_model_has_one_stage_and_going_back_ends(steps: list[tuple[str, Stage]]) -> None:
    state = changes(*steps)
    held = [each for each in (state.live, state.canary, state.shadow) if each]
    assert len(held) == len(set(held))
    assert len(set(state.earlier)) == len(state.earlier)
    assert state.live not in state.earlier
    for _ in range(20):
        try:
            version, stage = rollback_of(state)
        except PromotionError:
            break
        steps = [*steps, (version, stage)]
        state = changes(*steps)
    else:
        pytest.fail("going back never ends")


def test_a_canary_has_its_share_of_the_products() -> None:
    products = [f"{random.Random(number).randrange(10**6)}" for number in range(20_000)]
    chosen = {share: {product for product in products if is_chosen(product, share)} for share in (0.05, 0.1, 0.5)}
    for share, found in chosen.items():
        assert len(found) / len(set(products)) == pytest.approx(share, rel=0.1)
    assert chosen[0.05] < chosen[0.1] < chosen[0.5]
    state = Rollout("a", "b", 0.1)
    assert {state.version_for(product) for product in chosen[0.1]} == {"b"}
    assert state.version_for(next(iter(set(products) - chosen[0.1]))) == "a"


def test_gates_must_all_be_there_and_pass_the_limits_of_this_version() -> None:
    passed = [gate(name, most - 0.01) for name, (_, most) in LIMITS.items()]
    assert failed_gates(passed) == []
    assert failed_gates([]) == ["it was tried on no day that it did not know"]
    assert failed_gates(passed[1:]) == ["pinball, to the best simple method was not measured"]
    loose = [*passed[:-1], Gate(passed[-1].name, 1.2, None, 9.0, True)]
    assert failed_gates(loose) == ["next hour: pinball, to the best same-hour method is 1.200"]
    assert not gate("bias of the mean", -0.13).passed
    assert not gate("bias of the mean", math.nan).passed
    assert failed_gates([Gate("bias of the mean", None, None, 1.0, True)])[0].endswith("was not measured")
