"""The market policy: what it does not say is built in, what is wrong in it is named."""

from decimal import Decimal

import pytest

from core.errors import PolicyError
from market.detectors import silence
from market.policy import MarketPolicy, parse_policy


def test_an_empty_policy_looks_for_jumps_of_two_percent_only() -> None:
    policy = parse_policy("")
    assert policy == MarketPolicy()
    assert policy.jump.percent == 2
    assert (policy.volume_spike.ratio, policy.outlier.score, policy.silence.silence_s) == (None, None, None)


def test_numbers_are_exact_decimals() -> None:
    policy = parse_policy("[jump]\npercent = 0.1\n[outlier]\nscore = 4\n[silence]\nsilence_s = 30\n")
    assert policy.jump.percent == Decimal("0.1")
    assert policy.outlier.score == 4
    assert policy.silence.silence_s == 30
    assert silence(policy).text == "no tick for 30 s"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[jump", "not a TOML file"),
        ("[jump]\npercent = 'x'", "jump.percent"),
        ("[jump]\npercent = true", "jump.percent"),
        ("[jump]\npercent = 0", "jump.percent takes a number above 0"),
        ("[jump]\npercent = nan", "jump.percent takes a number above 0"),
        ("[jump]\npercents = 1", "percents"),
        ("jump = 2", "jump"),
        ("[silence]\nsilence_s = -1", "silence.silence_s"),
        ("[volume_spike]\nwindow_s = 301", "window_s takes 1 to 300"),
        ("[volume_spike]\nticks_min = 0", "ticks_min takes 1 or more"),
        ("[outlier]\nreturns = 2", "returns takes 3 to 1000"),
        ("[dip]\npercent = 2", "dip"),
    ],
)
def test_a_policy_that_is_not_usable_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        parse_policy(text)
