"""The routes `/ws/ticks` and `/market/ws`: ticks as they are applied."""

from fastapi import APIRouter, WebSocket

from api.live.serve import serve_client
from api.services import services_of

router = APIRouter()


@router.websocket("/ws/ticks")
async def ticks(websocket: WebSocket) -> None:
    """Serve a client of the feed of ticks."""
    await serve_client(websocket, services_of(websocket).market.feed)


@router.websocket("/market/ws")
async def simple_ticks(websocket: WebSocket) -> None:
    """Serve a client that gets symbol, price and time of all ticks."""
    await serve_client(websocket, services_of(websocket).market.simple, everything=True)
