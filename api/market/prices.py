"""Routes of current prices of the market, read from Redis."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.market import models
from api.market.services import Market
from api.market.symbols import check_symbol
from api.services import services_of
from api.web.cursors import TextCursorQuery, read_text_cursor, write_text_cursor
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery
from api.web.responses import json_response, responses
from sinks.redis.market_reader import StoredTick

DEFAULT_PAGE = 100
LAST_PRICES_MAX = 10_000
LOST = "the store has lost this symbol's ticks; they are being written again"

router = APIRouter(prefix="/market", tags=["market"])


@router.get("/symbols", response_model=models.SymbolPage, responses=responses(400, 503))
async def symbols(
    request: Request,
    search: Annotated[str | None, Query(max_length=32, description="A part of the symbol, in any case.")] = None,
    limit: LimitQuery = None,
    cursor: TextCursorQuery = None,
) -> Response:
    """All symbols with their latest ticks, in the order of their names."""
    market = services_of(request).market
    names, after = await market.reader.symbols(), read_text_cursor(cursor)
    wanted = (search or "").lower()
    found = [name for name in names if name > after and wanted in name.lower()]
    size = min(limit or DEFAULT_PAGE, PAGE_MAX)
    page = found[:size]
    ticks = await ticks_of(market, page)
    next_cursor = write_text_cursor(page[-1]) if len(found) > size else None
    return json_response({"symbols": [_shown(tick) for tick in ticks], "next_cursor": next_cursor})


def _shown(tick: StoredTick) -> dict[str, Any]:
    return {
        "symbol": tick.symbol,
        "price": tick.price,
        "volume": tick.volume,
        "timestamp": tick.timestamp,
        "change_percent": tick.change_percent,
        "is_anomaly": tick.is_anomaly,
        "seq": tick.seq,
    }


@router.get("/prices", response_model=models.PricesAnswer, responses=responses(503))
async def prices(request: Request) -> Response:
    """The latest price of every symbol."""
    market = services_of(request).market
    ticks = await ticks_of(market, await market.reader.symbols())
    return json_response(_answer("latest prices", {tick.symbol: tick.price for tick in ticks}))


@router.get(
    "/price/history/{symbol:path}/{limit}",
    response_model=models.LastPricesAnswer,
    responses=responses(400, 404, 503),
)
async def last_prices(
    symbol: models.SymbolPath,
    limit: Annotated[int, Path(ge=1, description="How many, at most.")],
    request: Request,
) -> Response:
    """The last prices of a symbol, the newest first; as many as Redis keeps (`MARKET_HISTORY`)."""
    name = check_symbol(symbol)
    market = services_of(request).market
    found = await market.reader.last_prices(name, min(limit, LAST_PRICES_MAX))
    if not found:
        await latest_of(request, name)
        # The list alone is lost.
        market.repairs.ask([name])
        raise ApiError(503, LOST)
    return json_response(_answer(f"last prices of {name}", found))


@router.get("/price/{symbol:path}", response_model=models.PriceAnswer, responses=responses(400, 404, 503))
async def price(symbol: models.SymbolPath, request: Request) -> Response:
    """The latest price of a symbol."""
    tick = await latest_of(request, symbol)
    return json_response(_answer(f"latest price of {tick.symbol}", {"symbol": tick.symbol, "price": tick.price}))


async def ticks_of(market: Market, symbols: list[str]) -> list[StoredTick]:
    """The latest ticks of symbols. The flow is asked for those that Redis has lost."""
    found = await market.reader.ticks(symbols)
    market.repairs.check(symbols, (tick.symbol for tick in found))
    return found


async def latest_of(request: Request, symbol: str) -> StoredTick:
    """The latest tick of a symbol. Raises ApiError (400, 404; 503 if Redis has lost it)."""
    market, name = services_of(request).market, check_symbol(symbol)
    tick = await market.reader.tick(name)
    if tick is None:
        tick, lost = await market.repairs.find(name)
        if tick is None:
            raise ApiError(503, LOST) if lost else ApiError(404, "no such symbol")
    return tick


def _answer(message: str, data: Any) -> dict[str, Any]:
    return {"message": message, "data": data, "success": True}
