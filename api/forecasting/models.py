"""Models of the routes of forecasts, for the OpenAPI description. Answers are encoded by msgspec, not with
these."""

from typing import Literal

from pydantic import BaseModel, Field


class DemandForecast(BaseModel):
    product_id: str = Field(examples=["85123A"])
    horizon_min: int = Field(description="Minutes from `made_at` on.", examples=[60])
    p10: float | None = Field(description="Units; null if nothing is known.", examples=[0.0])
    p50: float | None = Field(examples=[2.1])
    p90: float | None = Field(examples=[9.4])
    mean: float | None = Field(examples=[3.6])
    made_at: str | None = Field(examples=["2011-12-05T08:38:00.000Z"])
    source: Literal["model", "cached", "category", "base"]
    model_version: str | None = Field(examples=["729177508b8d"])
    demand_score: float = Field(description="0.5 is a usual hour.", examples=[0.5])
