"""What the routes take and give, for the OpenAPI page. Answers are encoded by msgspec, not through these."""

from typing import Annotated, Any, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from pricing.events import DEFAULT_REASON, IDENTIFIER, REASON_MAX_CHARS
from pricing.money import PRICE_MAX

ID_PATTERN = f"^{IDENTIFIER.pattern}$"
ProductId = Annotated[str, Path(pattern=ID_PATTERN, description="A product id.", examples=["85123A"])]
IN_BODY = Field(json_schema_extra={"pattern": ID_PATTERN})
"""A pattern for the description alone: what is wrong with an id is said in words of ours."""

Source = Literal["base", "dynamic", "override"]


class Error(BaseModel):
    error: str = Field(examples=["no such product"])


class Price(BaseModel):
    product_id: str = Field(examples=["85123A"])
    price: float = Field(examples=[23.66])
    demand: float = Field(examples=[4.0])
    price_source: Source


class PriceListed(Price):
    version: int = Field(examples=[17])
    updated_at_ms: int = Field(examples=[1323074280000])


class PricePage(BaseModel):
    prices: list[PriceListed]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end.")


class ProductShown(BaseModel):
    product_id: str = Field(examples=["85123A"])
    name: str = Field(examples=["WHITE HANGING HEART T-LIGHT HOLDER"])
    category: str = Field(examples=["candles and lights"])
    base_price: float = Field(examples=[2.95])


class ProductList(BaseModel):
    products: list[ProductShown]


class AdjustmentShown(BaseModel):
    rule: str = Field(examples=["demand"])
    amount: float = Field(examples=[10.0])
    reason: str = Field(examples=["square root of demand"])


class Inputs(BaseModel):
    base_price: float = Field(examples=[2.55])
    demand: float = Field(examples=[4.0])
    previous_price: float | None = Field(examples=[12.55])
    price_source: Source


class ExplanationShown(BaseModel):
    product_id: str = Field(examples=["85123A"])
    price: float = Field(examples=[12.55])
    version: int = Field(examples=[17])
    policy: str = Field(examples=["d6ea3e47e590"], description="Version of the policy: a hash of its content.")
    event_time_ms: int = Field(examples=[1323074280000])
    inputs: Inputs
    adjustments: list[AdjustmentShown]
    bound_by: str | None = Field(description="The guardrail that had the last word, if any.")
    text: str


class OverrideRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_id: Annotated[StrictStr, IN_BODY] | StrictInt = Field(examples=["85123A"])
    override_price: float = Field(
        gt=0,
        le=PRICE_MAX,
        allow_inf_nan=False,
        strict=True,
        description="Rounded to whole cents, of which there must be one at least.",
        examples=[19.99],
        json_schema_extra={"minimum": 0.01},
    )
    reason: StrictStr = Field(
        DEFAULT_REASON,
        min_length=1,
        max_length=REASON_MAX_CHARS,
        description="Printable characters.",
        json_schema_extra={"format": "printable"},
    )
    expires_at: StrictStr | StrictInt | Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = Field(
        None,
        description="RFC 3339, or seconds or milliseconds since the epoch; in the future.",
        examples=["2030-01-01T00:00:00Z"],
    )


class OverrideAccepted(BaseModel):
    product_id: str = Field(examples=["85123A"])
    override_price: float = Field(examples=[19.99])
    reason: str = Field(examples=[DEFAULT_REASON])
    status: Literal["upserted"]


class OverrideDeleted(BaseModel):
    product_id: str = Field(examples=["85123A"])
    deleted: Literal[True]


class OverrideShown(BaseModel):
    product_id: str = Field(examples=["85123A"])
    override_price: float = Field(examples=[19.99])
    reason: str
    set_by: str = Field(examples=["admin"])
    set_at: str = Field(examples=["2011-12-05T08:38:00.000Z"])
    expires_at: str | None


class OverrideList(BaseModel):
    overrides: list[OverrideShown]


class HistoryEntry(BaseModel):
    price: float = Field(examples=[12.55])
    event_time: str = Field(examples=["2011-12-05T08:38:00.000Z"])
    price_source: Source
    demand: float
    version: int


class SourceOfDecision(BaseModel):
    topic: str
    partition: int
    offset: int


class HistoryDetail(HistoryEntry):
    policy: str
    adjustments: list[AdjustmentShown]
    bound_by: str | None
    cause: str
    source: SourceOfDecision
    text: str


class History(BaseModel):
    product_id: str = Field(examples=["85123A"])
    history: list[HistoryDetail | HistoryEntry] = Field(description="With `detail`, entries carry all fields.")


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready", "not ready"]
    checks: dict[str, Literal["up", "down"]]


PAGE_MAX = 500


def responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    described = {
        400: "The request is malformed.",
        401: "The admin key is missing or wrong.",
        404: "Nobody knows the product, or there is nothing to remove.",
        503: "A service behind the API does not answer; try again.",
    }
    return {status: {"model": Error, "description": described[status]} for status in statuses}


LimitQuery = Annotated[int | None, Query(ge=1, description=f"How many; more than {PAGE_MAX} means {PAGE_MAX}.")]


IdsQuery = Annotated[
    str,
    Query(
        description=f"Product ids, separated by commas; {PAGE_MAX} at most.",
        examples=["A,B"],
        json_schema_extra={"pattern": f"^{IDENTIFIER.pattern}(,{IDENTIFIER.pattern}){{0,{PAGE_MAX - 1}}}$"},
    ),
]
CursorQuery = Annotated[
    str | None,
    Query(
        max_length=200,
        description="`next_cursor` of the page before.",
        json_schema_extra={"format": "audit-cursor"},
    ),
]
FromQuery = Annotated[
    str | None,
    Query(
        alias="from",
        description="RFC 3339, inclusive.",
        examples=["2011-12-05T00:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
ToQuery = Annotated[
    str | None,
    Query(alias="to", description="RFC 3339, exclusive.", json_schema_extra={"format": "date-time"}),
]
Scope = Annotated[str, Path(json_schema_extra={"format": "freeze-scope"}, examples=["category:kitchen"])]
Body = TypeVar("Body", bound=BaseModel)
BULK_MAX = 200
UNSET = "unset"
Expiry = StrictStr | StrictInt | Annotated[float, Field(strict=True, allow_inf_nan=False)] | None


class BulkChange(BaseModel):
    """One of `override_price` and `change_percent`. With `expected_set_at` (null: no override), the line is a
    conflict where the active override is another."""

    model_config = ConfigDict(extra="forbid")

    product_id: Annotated[StrictStr, IN_BODY] | StrictInt = Field(examples=["85123A"])
    override_price: float | None = Field(
        None, gt=0, le=PRICE_MAX, allow_inf_nan=False, strict=True, examples=[19.99]
    )
    change_percent: float | None = Field(None, gt=-100, le=10_000, allow_inf_nan=False, strict=True, examples=[-10])
    reason: StrictStr = Field(DEFAULT_REASON, min_length=1, max_length=REASON_MAX_CHARS)
    expires_at: Expiry = None
    expected_set_at: StrictStr | None = Field(UNSET, max_length=40)


class BulkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    changes: list[Any] = Field(
        min_length=1,
        max_length=BULK_MAX,
        description="Each is checked for itself: what is wrong with one is said in its result. product_id;"
        " override_price or change_percent; and, if wanted, reason, expires_at, and expected_set_at (null: no"
        " override): the line is then a conflict where the active override is another.",
        examples=[[{"product_id": "85123A", "change_percent": -10, "reason": "clearance"}]],
    )
    dry_run: StrictBool = False


class BulkResult(BaseModel):
    product_id: str | None
    status: Literal["upserted", "would be set", "refused", "conflict"]
    error: str | None = None
    override_price: float | None = None
    old_price: float | None = None
    new_price: float | None = Field(None, description="After the guardrails.")
    change_percent: float | None = None
    warnings: list[str] = []


class BulkAnswer(BaseModel):
    results: list[BulkResult] = Field(description="One for each change, in their order.")


class BulkRemovalRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_ids: list[Annotated[StrictStr, IN_BODY] | StrictInt] = Field(min_length=1, max_length=BULK_MAX)


class BulkRemoval(BaseModel):
    product_id: str
    deleted: bool
    error: str | None = None


class BulkRemovalAnswer(BaseModel):
    results: list[BulkRemoval]


class PastOverrideShown(OverrideShown):
    removed_at: str | None = Field(description="When it was removed, replaced, or expired.")


class OverrideAudit(BaseModel):
    overrides: list[PastOverrideShown]
    next_cursor: str | None


class FreezeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scope: StrictStr = Field(
        max_length=520,
        examples=["all", "category:kitchen", "product:85123A"],
        json_schema_extra={"format": "freeze-scope"},
    )
    reason: StrictStr = Field(
        min_length=1,
        max_length=REASON_MAX_CHARS,
        description="Printable characters.",
        json_schema_extra={"format": "printable"},
    )


class FreezeAccepted(BaseModel):
    scope: str
    reason: str
    status: Literal["frozen"]


class FreezeLifted(BaseModel):
    scope: str
    lifted: Literal[True]


class FreezeShown(BaseModel):
    scope: str
    reason: str
    set_by: str
    set_at: str


class FreezeList(BaseModel):
    freezes: list[FreezeShown]


class PastFreezeShown(FreezeShown):
    lifted_at: str | None


class FreezeAudit(BaseModel):
    freezes: list[PastFreezeShown]
    next_cursor: str | None


def _without_fraction(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WholeNumber = Annotated[StrictInt, BeforeValidator(_without_fraction)]
"""In JSON, 5.0 is a whole number too."""


class SourceShown(BaseModel):
    model_config = ConfigDict(extra="forbid")

    topic: StrictStr = Field(min_length=1, max_length=249)
    partition: WholeNumber = Field(ge=0, lt=2**31)
    offset: WholeNumber = Field(ge=0, lt=2**63)


class DeadLetterShown(BaseModel):
    error_code: str
    stage: str
    detail: str
    source: SourceShown
    text: str = Field(description="The first 4,000 bytes, what is not UTF-8 escaped.")
    raw_size: int
    at: int
    replayed: bool


class DeadLetterList(BaseModel):
    dead_letters: list[DeadLetterShown]


class ReplayRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: SourceShown
    value: StrictStr | None = Field(None, description="Sent instead of the message as it was.")
    again: StrictBool = Field(False, description="Even if it was sent again before.")


class Replayed(BaseModel):
    source: SourceShown
    replayed: Literal[True]


class ChartShown(BaseModel):
    product_id: str
    prices: int
    points: list[list[Any]] = Field(
        description="Oldest first: event time (ms), price, demand, price_source, version."
    )


class CategoryList(BaseModel):
    categories: list[str]


class BoardShown(BaseModel):
    token: str
    reset: bool
    more: bool
    loading: bool
    total: int
    rows: list[list[Any]] = Field(
        description="product_id, name, category, price, demand, price_source, version, updated_at_ms, bound_by"
        " (or null), day_open (or null)."
    )


class Quantiles(BaseModel):
    p50: float | None
    p99: float | None


class SinkShown(BaseModel):
    written: float
    errors: float
    pending: float
    breaker_open: bool
    latency_ms: Quantiles


class FlowShown(BaseModel):
    processes: int
    events: float
    events_per_s: float | None
    products: float
    lag: float
    dead_letters: dict[str, float]
    alerts: dict[str, float]
    refills: float
    history_backlog: float
    sinks: dict[str, SinkShown]


class RelayShown(BaseModel):
    updates_per_s: float
    last_update_ms: int | None
    latency_ms: Quantiles
    clients: int


class RuleShown(BaseModel):
    name: str = Field(examples=["max_step"], description="As in adjustments, and in `bound_by`.")
    kind: Literal["rule", "guardrail"]
    label: str = Field(examples=["largest step"])
    reason: str = Field(examples=["limited to the largest step from the last price"])


class DemandShown(BaseModel):
    weights: dict[str, float]
    factor: float
    half_life_s: float | None


class PolicyShown(BaseModel):
    version: str
    currency: str = Field(examples=["GBP"])
    demand: DemandShown
    guardrails: dict[str, Any]
    rules: list[RuleShown] = Field(description="Every name that an adjustment can have, except `base`.")


class Dependencies(BaseModel):
    redis: Literal["up", "down"]
    kafka: Literal["up", "down"]
    history: Literal["up", "down", "none"]
    flow: Literal["up", "down"]


class Status(BaseModel):
    at_ms: int
    dependencies: Dependencies
    flow: FlowShown | None = Field(description="null where no process of the flow answers.")
    relay: RelayShown
    freezes: list[FreezeShown] | None = Field(description="null where Redis does not answer.")
    policy: PolicyShown
    versions: dict[str, str]
