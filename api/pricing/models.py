"""Models of the routes of prices and history, for the OpenAPI description. Answers are encoded by msgspec, not with
these. A docstring of a model would be part of the description, so the fields describe themselves."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from api.web.requests import IDS_PATTERN, PAGE_MAX

IdsQuery = Annotated[
    str,
    Query(
        description=f"Product ids, separated by commas; {PAGE_MAX} at most.",
        examples=["A,B"],
        json_schema_extra={"pattern": IDS_PATTERN},
    ),
]
PriceSource = Literal["base", "dynamic", "override"]


class Price(BaseModel):
    product_id: str = Field(examples=["85123A"])
    price: float = Field(examples=[23.66])
    demand: float = Field(examples=[4.0])
    price_source: PriceSource


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


StockCategory = Literal["Low", "Medium", "High"]


class SignalsShown(BaseModel):
    stock: float | None = Field(description="Never below 0; null if it is not known.")
    oversold: float = Field(description="How far the stock is below 0.")
    stock_category: StockCategory | None
    reorder_threshold: float | None
    needs_reorder: bool = Field(description="The stock is at or below the threshold.")
    clicks_15m: int = Field(description="Clicks of the last 15 minutes of event time.")
    min_competitor_price: float | None = Field(description="Of the quotes that count.")
    competitor: str | None = Field(description="One with that price.")
    quoted_at_ms: int | None = Field(description="Event time of that quote.")
    days_of_cover: float | None = Field(
        description="The days that the stock lasts if each is as the last 24 hours; null if nothing was sold."
    )


class Inputs(SignalsShown):
    base_price: float = Field(examples=[2.55])
    demand: float = Field(examples=[4.0])
    previous_price: float | None = Field(examples=[12.55])
    price_source: PriceSource
    echoes: int = Field(description="Quotes that were ignored: they were our own price.")
    outside_band: int = Field(description="Quotes that were too far from the base price.")


class InventoryShown(SignalsShown):
    product_id: str = Field(examples=["85123A"])
    name: str | None = Field(description="Null for a product that is not in the catalogue.")
    price: float | None


class InventoryPage(BaseModel):
    products: list[InventoryShown]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end.")


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


class HistoryEntry(BaseModel):
    price: float = Field(examples=[12.55])
    event_time: str = Field(examples=["2011-12-05T08:38:00.000Z"])
    price_source: PriceSource
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


class ChartShown(BaseModel):
    product_id: str
    prices: int
    points: list[list[Any]] = Field(
        description="Oldest first: event time (ms), price, demand, price_source, version."
    )


class LowestShown(BaseModel):
    price: float
    price_source: Literal["base", "dynamic", "override"]
    version: int
    since: str = Field(description="Its coming into force, RFC 3339; it may be before the span.")


class LowestPriceShown(BaseModel):
    product_id: str
    days: int
    at: str
    lowest: LowestShown | None = Field(description="Null if the product had no price then.")


class PriceTag(BaseModel):
    product_id: str
    name: str | None = Field(description="Null if the catalogue does not know the product.")
    price: float
    since: str | None = Field(
        description="From when on the price has been in force; null if history has no row yet."
    )
    reference_price: float | None = Field(
        description="The lowest price of the 30 days before `since`: the prior price of an announced reduction."
        " Null if the price is not below it, so that there is no reduction to announce."
    )
    reduction_percent: float | None


class PriceTags(BaseModel):
    currency: str
    tags: list[PriceTag] = Field(description="In the order of `ids`, without products that have no price.")


class SignalHistory(BaseModel):
    product_id: str
    points: list[list[Any]] = Field(
        description="Oldest first: event time (ms), stock, clicks_15m, min_competitor_price; null if not known."
    )


class CategoryList(BaseModel):
    categories: list[str]
    next_cursor: str | None = Field(None, description="Only if there are more: give it as `cursor`.")


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


class PolicyFile(BaseModel):
    version: str = Field(description="The hash of its content.")
    reported_by: Literal["flow", "api"] = Field(description="As in `GET /status`.")
    policy: str = Field(description="TOML, with every setting.")


class PricedAnewShown(BaseModel):
    product_id: str
    name: str
    category: str
    old_price: float
    new_price: float
    change_percent: float | None = Field(description="Null if the old price is 0.")
    bound_by: str | None = Field(description="The guardrail that ends the new price.")


class CategoryEffectShown(BaseModel):
    category: str = Field(description="Empty for products without one.")
    products: int
    changed: int
    median_change_percent: float


class PolicyPreviewed(BaseModel):
    version: str = Field(description="That the policy would have.")
    version_in_force: str
    products: int = Field(description="With a price: those that are raised, lowered and unchanged.")
    raised: int
    lowered: int
    unchanged: int
    by_hand: int = Field(
        description="Under an override or a freeze: only a floor or a ceiling changes their price."
    )
    unusable: int = Field(description="Whose bounds would contradict each other, so that their price stays.")
    median_change_percent: float
    bound_by: dict[str, int] = Field(description="Guardrail to the number of products that it ends.")
    categories: list[CategoryEffectShown]
    largest: list[PricedAnewShown] = Field(description="The largest changes in percent, the largest first.")
    complete: bool = Field(description="False if there are more products than a preview takes.")
