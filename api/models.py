"""What the routes take and give, for the OpenAPI page. Answers are encoded by msgspec, not through these."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from pricing.events import DEFAULT_REASON, IDENTIFIER, REASON_MAX_CHARS
from pricing.money import PRICE_MAX

ID_PATTERN = f"^{IDENTIFIER.pattern}$"
ProductId = Annotated[str, Path(pattern=ID_PATTERN, description="A product id.", examples=["85123A"])]
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

    product_id: StrictStr | StrictInt = Field(examples=["85123A"])
    override_price: float = Field(gt=0, le=PRICE_MAX, allow_inf_nan=False, strict=True, examples=[19.99])
    reason: StrictStr = Field(
        DEFAULT_REASON, min_length=1, max_length=REASON_MAX_CHARS, description="Printable characters."
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


class History(BaseModel):
    product_id: str = Field(examples=["85123A"])
    history: list[HistoryEntry]


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
