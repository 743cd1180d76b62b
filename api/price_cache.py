"""Answers of `GET /price/{id}`, kept for as long as Redis says that nothing has changed.

Redis stays the truth: whatever writes there, the flow or a person, takes an answer out of here within the time of a
packet, and without its word nothing is kept. What it brings: `docs/benchmarks/read.md`."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

import telemetry
from api.board import Board

ENTRIES_MAX = 200_000
ROUTE = "/price/{product_id:path}"
_PATH = "/price/"


class PriceCache:
    """Bodies by product. Belongs to the event loop's thread.

    A reader takes a ticket before it asks Redis and hands it in with the body: a change in between voids it."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._bodies: dict[str, bytes] = {}
        self._tickets: dict[str, object] = {}
        self._follows = False

    def get(self, product_id: str) -> bytes | None:
        return self._bodies.get(product_id)

    def ticket(self, product_id: str) -> object:
        ticket = object()
        if self._follows:
            self._tickets[product_id] = ticket
        return ticket

    def keep(self, product_id: str, ticket: object, body: bytes | None) -> None:
        """What was read with the ticket; None where nothing was."""
        if self._tickets.get(product_id) is not ticket:
            return
        del self._tickets[product_id]
        if body is not None:
            if len(self._bodies) >= ENTRIES_MAX:
                # The oldest; those asked for often are back at once.
                del self._bodies[next(iter(self._bodies))]
            self._bodies[product_id] = body

    def start(self) -> None:
        """From now on changes are told."""
        self._follows = True

    def change(self, product_ids: list[str] | None) -> None:
        """Products whose price in Redis has changed or gone; None for all."""
        if product_ids is None:
            self._bodies.clear()
            self._tickets.clear()
            return
        for product_id in product_ids:
            self._bodies.pop(product_id, None)
            self._tickets.pop(product_id, None)

    def end(self) -> None:
        """Changes are told no more. Until now what is here was right."""
        self._follows = False
        self._board.confirm(self._bodies)
        self.change(None)


class CachedPrices:
    """Around an ASGI application: answers what the cache has. Everything else goes on as it came."""

    def __init__(self, app: ASGIApp, cache: PriceCache) -> None:
        self._app = app
        self._get = cache.get
        self._count = telemetry.API_REQUESTS.labels("GET", ROUTE, "200").inc
        self._observe = telemetry.API_LATENCY.labels(ROUTE).observe
        self._hits = telemetry.PRICE_CACHE_HITS.inc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._find(scope)
        if body is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._count()
        self._hits()
        self._observe(time.perf_counter() - started)

    def _find(self, scope: Scope) -> bytes | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        path: str = scope["path"]
        if not path.startswith(_PATH):
            return None
        # One that brings a body may be bad, and it is for others to say so.
        if any(name == b"content-length" for name, _ in scope["headers"]):
            return None
        return self._get(path[len(_PATH) :])
