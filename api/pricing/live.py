"""The route `/ws/prices`: updates of the products that a client watches, as they are made."""

from fastapi import APIRouter, WebSocket

from api.live.serve import serve_client
from api.services import services_of

router = APIRouter()


@router.websocket("/ws/prices")
async def prices(websocket: WebSocket) -> None:
    """Serve a client of the feed of prices."""
    await serve_client(websocket, services_of(websocket).price_feed)
