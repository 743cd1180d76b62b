"""Routes of past ticks, anomalies and bars, read from SQL, and of the latest tick, which shares their path."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.market import models
from api.market.prices import latest_of
from api.market.symbols import check_symbol
from api.market.times import parse_range
from api.services import services_of
from api.web.databases import NOT_CONFIGURED, answer_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, FromQuery, LimitQuery, ToQuery
from api.web.responses import json_response, responses
from sinks.history.market_reader import MarketHistory

DEFAULT_TICKS = 100
TICKS_MAX = 1_000
DEFAULT_BARS = 500
BARS_MAX = 2_000
DEFAULT_ANOMALIES = 100

INTERVALS_S = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "1d": 86_400}

TicksQuery = Annotated[int, Query(ge=1, description=f"How many; more than {TICKS_MAX} means {TICKS_MAX}.")]
BarsQuery = Annotated[int, Query(ge=1, description=f"How many; more than {BARS_MAX} means {BARS_MAX}.")]

router = APIRouter(prefix="/market", tags=["market"])


@router.get("/prices/{symbol:path}/history", response_model=models.TickHistory, responses=responses(400, 404, 503))
async def ticks(
    symbol: models.SymbolPath,
    request: Request,
    limit: TicksQuery = DEFAULT_TICKS,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Past ticks of a symbol, the newest first, late ones among them."""
    name, times = check_symbol(symbol), parse_range(since, until)
    size = min(limit, TICKS_MAX)
    found = await answer_of(_history_of(request).ticks(name, size, times))
    if not found:
        await latest_of(request, name)
    return json_response({"symbol": name, "limit": size, "count": len(found), "history": found})


@router.get("/prices/{symbol:path}", response_model=models.MarketPrice, responses=responses(400, 404, 503))
async def latest(symbol: models.SymbolPath, request: Request) -> Response:
    """The latest tick of a symbol: the one with the greatest time."""
    tick = await latest_of(request, symbol)
    fields = ("symbol", "price", "volume", "timestamp", "is_anomaly", "ma_1m", "ma_5m", "vol_1m", "seq")
    return json_response({name: getattr(tick, name) for name in fields})


@router.get("/bars/{symbol:path}", response_model=models.BarList, responses=responses(400, 404, 503))
async def bars(
    symbol: models.SymbolPath,
    request: Request,
    *,
    interval: Annotated[
        Literal["1m", "5m", "15m", "1h", "1d", "auto"],
        Query(description="`auto`: the shortest with at most `points` bars in the range."),
    ] = "1m",
    points: Annotated[
        int | None, Query(ge=1, description="For `auto`; default `limit`, which is `points` if it is not given.")
    ] = None,
    limit: BarsQuery | None = None,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Bars of a symbol that begin in the range, the oldest first; if there are more than `limit`, the newest."""
    name, times, history = check_symbol(symbol), parse_range(since, until), _history_of(request)
    is_auto = interval == "auto"
    size = min(limit or (points if is_auto else None) or DEFAULT_BARS, BARS_MAX)
    if is_auto:
        interval_s = await answer_of(history.finest(name, points or size, times))
    else:
        interval_s = INTERVALS_S[interval]
    found = await answer_of(history.bars(name, interval_s, size, times))
    if not found:
        await latest_of(request, name)
    return json_response({"symbol": name, "interval_s": interval_s, "bars": found})


@router.get("/anomalies", response_model=models.AnomalyList, responses=responses(400, 503))
async def anomalies(
    request: Request,
    symbol: models.SymbolQuery = None,
    limit: LimitQuery = None,
    since: FromQuery = None,
    until: ToQuery = None,
) -> Response:
    """Anomalies, the newest first."""
    name, times = None if symbol is None else check_symbol(symbol), parse_range(since, until)
    size = min(limit or DEFAULT_ANOMALIES, PAGE_MAX)
    found = await answer_of(_history_of(request).anomalies(name, size, times))
    return json_response({"anomalies": found})


def _history_of(request: Request) -> MarketHistory:
    history = services_of(request).market.history
    if history is None:
        raise ApiError(503, NOT_CONFIGURED)
    return history
