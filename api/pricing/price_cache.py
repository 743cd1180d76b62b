"""The price cache: answers of `GET /price/{id}`, kept until Redis reports that the price has changed.

Redis stays the source of truth. Every write to a price there, by the flow or by a person, removes its answer from
the cache within the time of a network packet (sinks/redis_tracking.py). While Redis does not report changes,
nothing is kept. Measurements: `docs/benchmarks/read.md`."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

import telemetry
from api.pricing.board import Board

ENTRIES_MAX = 200_000
ROUTE = "/price/{product_id:path}"
_PATH = "/price/"


class PriceCache:
    """Bodies of answers (JSON) by product id, at most ENTRIES_MAX. Belongs to the event loop's thread.

    A reader takes a ticket before it reads Redis and returns it with the body. A change in between voids the
    ticket, so that a body older than the change is not kept. `KeyTracker` calls `start`, `change` and `end`."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._bodies: dict[str, bytes] = {}
        self._tickets: dict[str, object] = {}
        self._follows_changes = False

    def get(self, product_id: str) -> bytes | None:
        """The body of a product's answer, if it is kept."""
        return self._bodies.get(product_id)

    def ticket(self, product_id: str) -> object:
        """A ticket for one reading. All that read a product at the same time share one. If each voided those before
        it, a price that many ask for would never be kept."""
        if not self._follows_changes:
            return object()
        return self._tickets.setdefault(product_id, object())

    def keep(self, product_id: str, ticket: object, body: bytes | None) -> None:
        """Return a ticket with the body that was read; None if there is no price. Keeps the body if the ticket is
        valid."""
        if self._tickets.get(product_id) is not ticket:
            return
        del self._tickets[product_id]
        if body is not None:
            if len(self._bodies) >= ENTRIES_MAX:
                # The oldest entry. A product that is read often is back with its next request.
                del self._bodies[next(iter(self._bodies))]
            self._bodies[product_id] = body

    def start(self) -> None:
        """Redis reports changes from now on."""
        self._follows_changes = True

    def change(self, product_ids: list[str] | None) -> None:
        """The prices of these products (None: of all) have changed in Redis, or are gone from it."""
        if product_ids is None:
            self._bodies.clear()
            self._tickets.clear()
            return
        for product_id in product_ids:
            self._bodies.pop(product_id, None)
            self._tickets.pop(product_id, None)

    def end(self) -> None:
        """Redis reports changes no more. Every body was right until now."""
        self._follows_changes = False
        self._board.confirm(self._bodies)
        self.change(None)


class CachedPrices:
    """An ASGI application around another: it answers from the cache, and passes every other request on unchanged.

    It is no middleware of the framework, because those cost half of an answer."""

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
        # A request with a body may be malformed: the application validates it.
        if any(name == b"content-length" for name, _ in scope["headers"]):
            return None
        return self._get(path[len(_PATH) :])
