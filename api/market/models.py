"""Models of the market's routes, for the OpenAPI description. Answers are encoded by msgspec, not with these. A
docstring of a model would be part of the description, so the fields describe themselves."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, Field

from api.web.requests import ID_PATTERN
from market.alerts import THRESHOLD_MAX, URL_CHARS_MAX, WINDOW_S_MAX

SYMBOL_PATTERN = r"^[A-Za-z0-9_.:^=/-]{1,32}$"

# The route checks the symbol, because a slash in it comes as another character (`api/market/symbols.py`).
SymbolPath = Annotated[
    str,
    Path(
        description="A symbol, percent-encoded: `BTC%2FUSD`.",
        examples=["BTCUSDT"],
        json_schema_extra={"pattern": SYMBOL_PATTERN},
    ),
]
SymbolQuery = Annotated[
    str | None, Query(description="Only this symbol.", json_schema_extra={"pattern": SYMBOL_PATTERN})
]
RuleId = Annotated[str, Path(pattern=ID_PATTERN, description="The id of a rule.")]
RuleKind = Literal["above", "below", "move_percent", "anomaly"]
Severity = Literal["warning", "critical"]


def _no_text(value: Any) -> Any:
    """A number stays. Texts and booleans, which pydantic would read as numbers, do not."""
    if isinstance(value, str | bool):
        raise ValueError("takes a number")
    return value


class SymbolShown(BaseModel):
    symbol: str = Field(examples=["BTCUSDT"])
    price: float = Field(examples=[61837.63])
    volume: float = Field(examples=[0.02])
    timestamp: str = Field(examples=["2024-08-08T23:54:15.342000Z"])
    change_percent: float | None = Field(description="Against the open of the UTC day of the tick.")
    is_anomaly: bool
    seq: int = Field(examples=[17])


class SymbolPage(BaseModel):
    symbols: list[SymbolShown]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end.")


class PastTickShown(BaseModel):
    symbol: str = Field(examples=["BTCUSDT"])
    price: float = Field(examples=[61837.63])
    volume: float = Field(examples=[0.02])
    timestamp: str = Field(examples=["2024-08-08T23:54:15.342000Z"])
    is_anomaly: bool
    ma_1m: float | None = Field(description="Mean price of 60 s; null for a late tick.")
    ma_5m: float | None = Field(description="Mean price of 300 s.")
    vol_1m: float | None = Field(description="Volume of 60 s.")


class MarketPrice(PastTickShown):
    seq: int = Field(examples=[17])


class TickHistory(BaseModel):
    symbol: str
    limit: int = Field(examples=[100])
    count: int = Field(examples=[100])
    history: list[PastTickShown]


class BarShown(BaseModel):
    start: int = Field(examples=[1723161240], description="Seconds since 1970.")
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    vwap: float | None = Field(description="Null without volume.")
    is_final: bool = Field(description="No tick can change it any more.")


class BarList(BaseModel):
    symbol: str
    interval_s: int = Field(examples=[60])
    bars: list[BarShown]


class AnomalyShown(BaseModel):
    symbol: str
    timestamp: str
    price: float
    kind: str = Field(examples=["jump"])
    severity: Severity
    text: str = Field(examples=["+2.31 % from the tick before"])


class AnomalyList(BaseModel):
    anomalies: list[AnomalyShown]


class PriceOnly(BaseModel):
    symbol: str
    price: float


class PriceAnswer(BaseModel):
    message: str
    data: PriceOnly
    success: Literal[True]


class PricesAnswer(BaseModel):
    message: str
    data: dict[str, float]
    success: Literal[True]


class LastPricesAnswer(BaseModel):
    message: str
    data: list[float]
    success: Literal[True]


class RuleRequest(BaseModel):
    symbol: str = Field(json_schema_extra={"pattern": SYMBOL_PATTERN}, examples=["BTCUSDT"])
    kind: RuleKind
    threshold: Annotated[float | None, BeforeValidator(_no_text)] = Field(
        None,
        gt=0,
        le=int(THRESHOLD_MAX),
        description="A price, or percent for `move_percent`; all kinds but `anomaly` need one.",
    )
    window_s: Annotated[int | None, BeforeValidator(_no_text)] = Field(
        None, ge=1, le=WINDOW_S_MAX, description="For `move_percent`; default 60."
    )
    webhook: str | None = Field(
        None,
        min_length=1,
        max_length=URL_CHARS_MAX,
        description="A URL for the alerts; with `WEBHOOK_SECRET` only.",
        json_schema_extra={"format": "webhook"},
    )


class AlertRuleShown(BaseModel):
    id: str
    symbol: str
    kind: RuleKind
    threshold: float | None
    window_s: int | None
    webhook: str | None


class RuleList(BaseModel):
    rules: list[AlertRuleShown]


class RuleDeleted(BaseModel):
    id: str
    deleted: Literal[True]


class MarketAlertShown(BaseModel):
    type: Literal["alert"]
    id: str
    symbol: str
    kind: str = Field(examples=["above"])
    severity: Severity
    at: str
    text: str
    value: float | None
    threshold: float | None


class AlertList(BaseModel):
    alerts: list[MarketAlertShown]
