"""Stages of models: which one sets prices, which one does for some products, and which one is only watched.

Every change is kept. The state is what they add up to (`rollout_of`)."""

import zlib
from collections.abc import Iterable
from typing import Literal

import msgspec

from core.errors import PricewaxError

Stage = Literal["shadow", "canary", "live", "retired"]
PROMOTIONS: tuple[Stage, ...] = ("shadow", "canary", "live")
SHARES = 10_000
CANARY_SHARE = 0.1


class PromotionError(PricewaxError):
    """A change of stages that is not allowed. The text says why."""


class StageChange(msgspec.Struct, frozen=True):
    """A change. number: from 1 on, without gaps. share: of the products, for a canary. at_ms: UTC milliseconds."""

    number: int
    version: str
    stage: Stage
    share: float
    at_ms: int
    who: str
    why: str


class Rollout(msgspec.Struct, frozen=True):
    """The models in force. earlier: models that were live before the present one, the latest last. share: of the
    products that the canary forecasts."""

    live: str | None = None
    canary: str | None = None
    share: float = 0.0
    shadow: str | None = None
    earlier: tuple[str, ...] = ()
    number: int = 0

    def version_for(self, product_id: str) -> str | None:
        """The model that forecasts a product."""
        if self.canary is not None and is_chosen(product_id, self.share):
            return self.canary
        return self.live

    def stage_of(self, version: str) -> Stage:
        """The stage of a model that was promoted once."""
        stages: tuple[tuple[Stage, str | None], ...] = (
            ("live", self.live),
            ("canary", self.canary),
            ("shadow", self.shadow),
        )
        return next((stage for stage, held in stages if held == version), "retired")


def is_chosen(product_id: str, share: float) -> bool:
    """True for a share of the products, always the same ones. A larger share has all products of a smaller one."""
    return zlib.crc32(product_id.encode()) % SHARES < share * SHARES


def rollout_of(changes: Iterable[StageChange]) -> Rollout:
    """The models in force after changes, in order of their numbers."""
    state = Rollout()
    for change in changes:
        state = _after(state, change)
    return state


def _after(state: Rollout, change: StageChange) -> Rollout:
    version = change.version
    live, canary, shadow, share, earlier = state.live, state.canary, state.shadow, state.share, state.earlier
    # A model has one stage.
    canary, shadow = (None if held == version else held for held in (canary, shadow))
    match change.stage:
        case "live":
            if version in earlier:
                # Back to an earlier model: those after it are no place to go back to.
                earlier = earlier[: earlier.index(version)]
            elif live is not None and live != version:
                earlier = (*earlier, live)
            # A canary was compared with the model before.
            live, canary = version, None
        case "canary":
            live, canary, share = None if live == version else live, version, change.share
        case "shadow":
            live, shadow = None if live == version else live, version
        case "retired":
            live = None if live == version else live
    return Rollout(live, canary, share if canary else 0.0, shadow, earlier, change.number)


def rollback_of(state: Rollout, to: str | None = None) -> tuple[str, Stage]:
    """The change that takes back the last promotion that sets prices: a canary is retired, or else the model before
    is live again; the first model is retired. to: an earlier model to go back to. Raises PromotionError."""
    if to is not None:
        if to not in state.earlier:
            raise PromotionError(
                f"model {to} was not live before; these were: {', '.join(state.earlier) or 'none'}"
            )
        return to, "live"
    if state.canary is not None:
        return state.canary, "retired"
    if state.earlier:
        return state.earlier[-1], "live"
    if state.live is not None:
        return state.live, "retired"
    raise PromotionError("there is no model to go back to")
