"""The pricing policy: every number that a rule or a guardrail uses. Read from TOML, validated, immutable."""

import hashlib
import math
import re
import tomllib
from typing import Any, Literal

import msgspec

from core.errors import PolicyError
from core.money import PRICE_MAX, scale_of
from pricing.surge_policy import SurgePolicy, check_surge

VERSION_CHARS = 12

_LATER: dict[str, tuple[str, ...]] = {
    "demand": ("decay_step_s",),
    "guardrails": (
        *("floor_ratio", "min_margin", "list_price", "map_price"),
        *("min_change_percent", "reversal_s"),
    ),
    "stock": (),
    "clicks": (),
    "competitor": (),
    "surge": (),
}
"""Section to its names that the first policies did not have; none for all names."""


class DemandPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of demand. weights: of the event types. factor: of the square root of demand, in the currency.
    half_life_s: event time in which demand halves; None for no decay. late_events: the effect of an event that is
    older than the one that set the base price. `set`: it sets the price, as every event does. `count`: it counts
    for demand and version only. decay_step_s: shortest event time between two prices that decay alone lowers."""

    weights: dict[Literal["view", "cart", "purchase"], float] = msgspec.field(
        default_factory=lambda: {"view": 1.0, "cart": 3.0, "purchase": 5.0}
    )
    factor: float = 5.0
    half_life_s: float | None = None
    late_events: Literal["set", "count"] = "set"
    decay_step_s: float = 60.0

    @property
    def half_life_ms(self) -> int | None:
        """The half-life in milliseconds; None for no decay."""
        return None if self.half_life_s is None else round(self.half_life_s * 1000)


class StockPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of the rule `stock`. A stock below `low` is Low, one above `high` is High, any other Medium. The
    factors multiply the price."""

    low: float = 20.0
    high: float = 50.0
    low_factor: float = 1.0
    medium_factor: float = 1.0
    high_factor: float = 1.0


class ClicksPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of the rule `clicks`: above this number of clicks in 15 minutes, the price is multiplied by `factor`,
    if there are competitors and none is cheaper than the base price."""

    above: int = 30
    factor: float = 1.0


class CompetitorPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of the rule `competitor`. factor: multiplies a price that is above the cheapest quote. quote_ttl_s:
    event time after which a quote does not count; None for ever. quote_band: lowest and highest quote that counts,
    as multiples of the base price; None for any. scraped: competitors whose quotes may be our own price.
    no_competitor: after the last quote that counted is stale, `rule` for the price without a competitor, `hold` for
    the price as it is."""

    factor: float = 1.0
    quote_ttl_s: float | None = None
    quote_band: tuple[float, float] | None = None
    scraped: tuple[str, ...] = ()
    no_competitor: Literal["rule", "hold"] = "rule"


class GuardrailPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of the guardrails. A guardrail without a number does nothing.

    floor, ceiling: absolute, in the currency. floor_margin: least margin over the catalogue's unit_cost (0.2 means
    cost * 1.2). ceiling_ratio: highest price as a multiple of the catalogue's base_price. max_step_percent: largest
    change from the last price. cooldown_s: shortest event time between two changes. endings: the last digits that a
    price may end in, in minor units, such as [99, 49] for GBP and JPY, or [990] for KWD (`ending_block`).

    floor_ratio: lowest price as a multiple of the catalogue's base_price. min_margin: least share of the price that
    is left over the catalogue's unit_cost (0.2 means cost / 0.8). list_price, map_price: the catalogue's list price
    is a ceiling, its minimum advertised price a floor, for products that have one. min_change_percent: smallest
    change. reversal_s: shortest event time from a rise to a fall, and from a fall to a rise."""

    floor: float | None = None
    ceiling: float | None = None
    floor_margin: float | None = None
    ceiling_ratio: float | None = None
    max_step_percent: float | None = None
    cooldown_s: float | None = None
    endings: tuple[int, ...] = ()
    floor_ratio: float | None = None
    min_margin: float | None = None
    list_price: bool = False
    map_price: bool = False
    min_change_percent: float | None = None
    reversal_s: float | None = None

    @property
    def has_bounds(self) -> bool:
        """True if the policy has a floor or a ceiling of any kind."""
        bounds = (
            self.floor,
            self.ceiling,
            self.floor_margin,
            self.ceiling_ratio,
            self.floor_ratio,
            self.min_margin,
        )
        return self.list_price or self.map_price or any(bound is not None for bound in bounds)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    currency: str = "GBP"
    demand: DemandPolicy = msgspec.field(default_factory=DemandPolicy)
    guardrails: GuardrailPolicy = msgspec.field(default_factory=GuardrailPolicy)
    stock: StockPolicy = msgspec.field(default_factory=StockPolicy)
    clicks: ClicksPolicy = msgspec.field(default_factory=ClicksPolicy)
    competitor: CompetitorPolicy = msgspec.field(default_factory=CompetitorPolicy)
    surge: SurgePolicy = msgspec.field(default_factory=SurgePolicy)


class PricingPolicy(msgspec.Struct, frozen=True):
    """A validated policy. `version` is the hash of its content: equal numbers give an equal version. scale: of the
    currency (`core/money.py`)."""

    currency: str
    demand: DemandPolicy
    guardrails: GuardrailPolicy
    version: str
    scale: int = 100
    stock: StockPolicy = msgspec.field(default_factory=StockPolicy)
    clicks: ClicksPolicy = msgspec.field(default_factory=ClicksPolicy)
    competitor: CompetitorPolicy = msgspec.field(default_factory=CompetitorPolicy)
    surge: SurgePolicy = msgspec.field(default_factory=SurgePolicy)

    @property
    def uses_stock(self) -> bool:
        """True if the stock changes prices."""
        stock = self.stock
        return (stock.low_factor, stock.medium_factor, stock.high_factor) != (1.0, 1.0, 1.0)

    @property
    def uses_signals(self) -> bool:
        """True if stock, clicks, competitors or a surge change prices."""
        competitor = self.competitor
        rivals = competitor.factor != 1.0 or competitor.no_competitor == "hold"
        return self.uses_stock or self.clicks.factor != 1.0 or rivals or self.surge.enabled


def ending_block(scale: int) -> int:
    """The number of minor units after which price endings come again: those of one unit of the currency, but not
    less than 100. So an ending of 99 means 4.99 for GBP, and 499 for JPY."""
    return max(scale, 100)


def parse_policy(text: str) -> PricingPolicy:
    """A policy from the text of a TOML file. Raises PolicyError if it is not TOML, or if a setting is unknown or
    out of range."""
    try:
        document = msgspec.convert(tomllib.loads(text), _Document)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"not a TOML file: {error}") from None
    except msgspec.ValidationError as error:
        raise PolicyError(str(error).replace("`$.", "`")) from None
    _validate(document)
    return PricingPolicy(
        currency=document.currency,
        demand=document.demand,
        guardrails=document.guardrails,
        version=_version(document),
        scale=scale_of(document.currency),
        stock=document.stock,
        clicks=document.clicks,
        competitor=document.competitor,
        surge=document.surge,
    )


def default_policy() -> PricingPolicy:
    """The policy that is used without a file: `price + sqrt(demand) * 5`, weights 1, 3 and 5, no guardrails, so
    that prices are only rounded."""
    return parse_policy("")


def policy_text(policy: PricingPolicy) -> str:
    """The text of a TOML file with every number of a policy, which `parse_policy` reads as the same one."""
    sections = policy.stock, policy.clicks, policy.competitor, policy.surge
    document = msgspec.to_builtins(_Document(policy.currency, policy.demand, policy.guardrails, *sections))
    # TOML has no null: a setting that is left out is off.
    known = {
        name: {key: value for key, value in part.items() if value is not None} if isinstance(part, dict) else part
        for name, part in document.items()
    }
    # The writer puts each item of a list on a line of its own.
    return _LIST.sub(_on_one_line, msgspec.toml.encode(known).decode())


_LIST = re.compile(r"\[\n(?:    .+,\n)+\]")


def _on_one_line(found: re.Match[str]) -> str:
    return "[" + ", ".join(line.strip().rstrip(",") for line in found[0].splitlines()[1:-1]) + "]"


def encode_policy(policy: PricingPolicy) -> str:
    """A policy as JSON, for readers outside of the flow."""
    return msgspec.json.encode(policy, order="sorted").decode()


def decode_policy(text: str) -> PricingPolicy:
    """A policy from the text of `encode_policy`. Fields that a newer version of the code has written are left out.
    Raises PolicyError for any other text."""
    try:
        return msgspec.convert(_known_fields(msgspec.json.decode(text), PricingPolicy), PricingPolicy)
    except msgspec.MsgspecError as error:
        raise PolicyError(str(error)) from None


def _known_fields(content: Any, struct: type[msgspec.Struct]) -> Any:
    """The part of decoded JSON that the fields of a struct name, also within its own structs."""
    if not isinstance(content, dict):
        return content
    known = {}
    for field in msgspec.structs.fields(struct):
        if field.name in content:
            inner = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
            value = content[field.name]
            known[field.name] = _known_fields(value, field.type) if inner else value
    return known


def _version(document: _Document) -> str:
    content = msgspec.json.encode(_said(document), order="sorted")
    return hashlib.sha256(content).hexdigest()[:VERSION_CHARS]


def _said(document: _Document) -> dict[str, Any]:
    """The content of a policy without the numbers that came later and are not used, so that a policy keeps its
    version while the code learns to do more."""
    content: dict[str, Any] = msgspec.to_builtins(document)
    unused: dict[str, Any] = msgspec.to_builtins(_Document())
    for section, names in _LATER.items():
        for name in names or [*unused[section]]:
            if content[section][name] == unused[section][name]:
                del content[section][name]
        if not content[section]:
            del content[section]
    return content


def _validate(document: _Document) -> None:
    try:
        scale = scale_of(document.currency)
    except ValueError:
        raise PolicyError("currency takes a code of ISO 4217 that has a minor unit, such as GBP") from None
    demand, guardrails = document.demand, document.guardrails
    if set(demand.weights) != {"view", "cart", "purchase"}:
        raise PolicyError("demand.weights takes a number for each of view, cart and purchase")
    for event_type, weight in demand.weights.items():
        _require(0 <= weight <= 1e6, f"demand.weights.{event_type}", "a number from 0 to 1,000,000")
    _require(0 <= demand.factor <= 1000, "demand.factor", "a number from 0 to 1,000")
    _positive("demand.half_life_s", demand.half_life_s, 1e9)
    _positive("guardrails.floor", guardrails.floor, PRICE_MAX)
    _positive("guardrails.ceiling", guardrails.ceiling, PRICE_MAX)
    _positive("guardrails.ceiling_ratio", guardrails.ceiling_ratio, 1e6)
    _positive("guardrails.max_step_percent", guardrails.max_step_percent, 1e6)
    _positive("guardrails.cooldown_s", guardrails.cooldown_s, 1e9)
    _positive("demand.decay_step_s", demand.decay_step_s, 1e9)
    _positive("guardrails.floor_ratio", guardrails.floor_ratio, 1e6)
    _positive("guardrails.min_change_percent", guardrails.min_change_percent, 1e6)
    _positive("guardrails.reversal_s", guardrails.reversal_s, 1e9)
    of_price = guardrails.min_margin
    _require(of_price is None or 0 <= of_price < 1, "guardrails.min_margin", "a number from 0 to below 1")
    _validate_signals(document)
    check_surge(document.surge, scale)
    margin = guardrails.floor_margin
    _require(margin is None or 0 <= margin <= 1e6, "guardrails.floor_margin", "a number from 0")
    floor, ceiling = guardrails.floor, guardrails.ceiling
    if floor is not None and ceiling is not None and floor > ceiling:
        raise PolicyError("guardrails.floor takes a number not above guardrails.ceiling")
    for ending in guardrails.endings:
        last = ending_block(scale) - 1
        _require(0 <= ending <= last, "guardrails.endings", f"whole minor units from 0 to {last}")


def _validate_signals(document: _Document) -> None:
    stock, clicks, competitor = document.stock, document.clicks, document.competitor
    levels = math.isfinite(stock.low) and math.isfinite(stock.high) and 0 <= stock.low <= stock.high
    _require(levels, "stock.low", "a number from 0 to stock.high")
    for name in ("low_factor", "medium_factor", "high_factor"):
        _positive(f"stock.{name}", getattr(stock, name), 1000)
    _require(clicks.above >= 0, "clicks.above", "a whole number from 0")
    _positive("clicks.factor", clicks.factor, 1000)
    _positive("competitor.factor", competitor.factor, 1000)
    _positive("competitor.quote_ttl_s", competitor.quote_ttl_s, 1e9)
    band = competitor.quote_band
    usable = band is None or (math.isfinite(band[1]) and 0 <= band[0] <= band[1])
    _require(usable, "competitor.quote_band", "the lowest and the highest multiple of the base price")


def _positive(name: str, value: float | None, at_most: float) -> None:
    usable = value is None or (math.isfinite(value) and 0 < value <= at_most)
    _require(usable, name, f"a number above 0 and at most {at_most:,.10g}")


def _require(holds: bool, name: str, takes: str) -> None:
    if not holds:
        raise PolicyError(f"{name} takes {takes}")
