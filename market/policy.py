"""The market policy: every number of the detectors. Read from TOML, validated, immutable."""

import tomllib
from decimal import Decimal
from typing import Any

import msgspec

from core.errors import PolicyError


class JumpPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """percent: the largest usual change from one tick to the next; None turns the detector off."""

    percent: Decimal | None = Decimal(2)


class VolumePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ratio: the largest usual volume of a tick, as a multiple of the mean volume of the ticks before it in
    `window_s`; None turns the detector off. ticks_min: fewer ticks before it give no mean."""

    ratio: Decimal | None = None
    window_s: int = 300
    ticks_min: int = 20


class OutlierPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """score: the largest usual robust z-score of a log return; None turns the detector off. returns: the number of
    returns before it that it is compared with; fewer give no score."""

    score: Decimal | None = None
    returns: int = 100


class SilencePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """silence_s: the longest usual time without a tick; None turns the detector off."""

    silence_s: int | None = None


class MarketPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of all detectors."""

    jump: JumpPolicy = JumpPolicy()
    volume_spike: VolumePolicy = VolumePolicy()
    outlier: OutlierPolicy = OutlierPolicy()
    silence: SilencePolicy = SilencePolicy()


def parse_policy(text: str) -> MarketPolicy:
    """The policy of a TOML text. Numbers that it does not have are the built-in ones. Raises PolicyError."""
    try:
        policy = msgspec.convert(_with_decimals(tomllib.loads(text, parse_float=Decimal)), MarketPolicy)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"not a TOML file: {error}") from None
    except msgspec.ValidationError as error:
        raise PolicyError(str(error).replace("`$.", "`")) from None
    _check(policy)
    return policy


def _with_decimals(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its whole numbers as decimals where a decimal may stand."""
    names = {"percent", "ratio", "score"}
    return {
        table: {
            name: Decimal(value) if name in names and type(value) is int else value
            for name, value in content.items()
        }
        if isinstance(content, dict)
        else content
        for table, content in document.items()
    }


def _check(policy: MarketPolicy) -> None:
    numbers: dict[str, Decimal | int | None] = {
        "jump.percent": policy.jump.percent,
        "volume_spike.ratio": policy.volume_spike.ratio,
        "outlier.score": policy.outlier.score,
        "silence.silence_s": policy.silence.silence_s,
    }
    for name, number in numbers.items():
        if number is not None and not (Decimal(number).is_finite() and number > 0):
            raise PolicyError(f"{name} takes a number above 0")
    if not 1 <= policy.volume_spike.window_s <= 300:
        raise PolicyError("volume_spike.window_s takes 1 to 300")
    if policy.volume_spike.ticks_min < 1:
        raise PolicyError("volume_spike.ticks_min takes 1 or more")
    if not 3 <= policy.outlier.returns <= 1_000:
        raise PolicyError("outlier.returns takes 3 to 1000")
