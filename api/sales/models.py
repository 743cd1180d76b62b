"""Models of the routes of sales, for the OpenAPI description. Answers are encoded by msgspec, not with these."""

from pydantic import BaseModel, Field


class SalesGroupShown(BaseModel):
    key: str = Field(description="A product, a category, a day, a policy version, a source or a rule.")
    orders: int
    units: int
    revenue: float = Field(description="By rule: the rule's amount times the quantity.")
    margin: float | None = Field(description="Null if no unit cost is known.")
    base_revenue: float | None = Field(description="At base prices; null if none is known.")
    uplift_percent: float | None = Field(description="Of the revenue over that at base prices.")
    unpriced: int = Field(description="Orders without a price. They count in `orders` and `units` too.")


class SalesList(BaseModel):
    sales: list[SalesGroupShown]


class ProductSales(SalesGroupShown):
    days: list[SalesGroupShown] = Field(description="By day of the order (UTC), in order.")
