"""Fan-out: one update to every client that wants it, encoded once; no client slows another."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from starlette.websockets import WebSocketDisconnect

import telemetry

QUEUE_FRAMES_MAX = 50_000
CLIENTS_AT_ONCE = 500
"""So many are written to before others get their turn of the event loop."""

Update = tuple[str, int, bytes]
"""Product, version, frame. One object for all clients: what waits for a client is a reference."""


class Line(Protocol):
    """Where a client's frames are written: `api.ws_protocol.Line`."""

    @property
    def free(self) -> bool: ...

    def write(self, frames: bytes) -> None: ...


class Client:
    """What waits for one WebSocket client.

    Frames wait in order; beyond `QUEUE_FRAMES_MAX`, and always with `conflate`, only the newest of each
    product waits. So memory per client is bounded by the products it watches. With a `line`, what finds the client
    waiting for it (in `take`) is written there at once.
    """

    def __init__(self, products: Collection[str] | None, conflate: bool, line: Line | None = None) -> None:
        self.products = None if products is None else frozenset(products)
        self._conflate = conflate
        self._line = None if conflate else line
        self._at_once = False
        self._known: dict[str, int] = {}
        self._queue: deque[Update] = deque()
        self._newest: dict[str, Update] = {}
        self._waiting = asyncio.Event()
        self._asked: dict[str, int] = {}

    def knows(self, versions: dict[str, int]) -> None:
        """From now on it gets of these products only what is newer."""
        self._known = versions

    def ask_for(self, known: Mapping[str, int]) -> None:
        """The client wants the state of these products as far as it is newer than what it has."""
        self._asked = dict(known)
        self._waiting.set()

    def asked_for(self) -> dict[str, int]:
        """What it has asked for since the last call."""
        asked, self._asked = self._asked, {}
        return asked

    def send(self, updates: list[Update], frames: bytes) -> int:
        """Write updates, whose frames are given, or keep them until they are taken. How many were written."""
        line = self._line
        if not self._at_once or line is None or not line.free:
            for update in updates:
                self.offer(update)
            return 0
        count = len(updates)
        if self._known:
            news = [frame for product_id, version, frame in updates if self._is_news(product_id, version)]
            frames, count = b"".join(news), len(news)
        try:
            line.write(frames)
        except WebSocketDisconnect:
            # Whoever serves it sees that by itself.
            return 0
        return count

    def offer(self, update: Update) -> None:
        """Keep an update until it is taken."""
        # What comes after it must not be written before it.
        self._at_once = False
        if self._conflate or self._newest or len(self._queue) >= QUEUE_FRAMES_MAX:
            if self._newest.pop(update[0], None):
                telemetry.WS_CONFLATED.inc()
            self._newest[update[0]] = update
        else:
            self._queue.append(update)
        self._waiting.set()

    async def take(self) -> list[Update]:
        """All that waits. Waits until there is something, be it a wish of the client. What was taken before must
        have been written."""
        self._at_once = not self._waiting.is_set()
        try:
            await self._waiting.wait()
        finally:
            self._at_once = False
        self._waiting.clear()
        updates = [*self._queue, *self._newest.values()]
        self._queue.clear()
        self._newest.clear()
        if self._known:
            updates = [update for update in updates if self._is_news(update[0], update[1])]
        return updates

    def _is_news(self, product_id: str, version: int) -> bool:
        if self._known.get(product_id, 0) >= version:
            return False
        # From here on the relay alone keeps the order.
        self._known.pop(product_id, None)
        return True


class Hub:
    """The clients, by what they watch. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.clients = 0
        self._everything: set[Client] = set()
        self._by_product: dict[str, set[Client]] = {}
        self._delivery: Iterator[None] | None = None
        self._later: deque[list[Update]] = deque()
        self._goes_on = False

    def add(self, client: Client) -> None:
        self._watch(client)
        self.clients += 1
        telemetry.WS_CLIENTS.inc()

    def remove(self, client: Client) -> None:
        self._unwatch(client)
        self.clients -= 1
        telemetry.WS_CLIENTS.dec()

    def change(self, client: Client, known: Mapping[str, int]) -> None:
        """From now on the client watches the products of `known`, whose versions it has."""
        self._unwatch(client)
        client.products = frozenset(known)
        self._watch(client)
        client.ask_for(known)

    def _watch(self, client: Client) -> None:
        if client.products is None:
            self._everything.add(client)
        else:
            for product_id in client.products:
                self._by_product.setdefault(product_id, set()).add(client)

    def _unwatch(self, client: Client) -> None:
        self._everything.discard(client)
        for product_id in client.products or ():
            watching = self._by_product[product_id]
            watching.discard(client)
            if not watching:
                del self._by_product[product_id]

    def publish(self, updates: list[Update]) -> None:
        """Send updates to whoever watches their product, after all that was published before. Where there are many
        clients, it goes on when others have had their turn."""
        if not updates:
            return
        self._later.append(updates)
        if not self._goes_on:
            self._go_on()

    def _go_on(self) -> None:
        if self._delivery is None:
            self._delivery = self._deliver(self._later.popleft())
        for _ in self._delivery:
            break
        else:
            self._delivery = None
        self._goes_on = self._delivery is not None or bool(self._later)
        if self._goes_on:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _deliver(self, updates: list[Update]) -> Iterator[None]:
        """Yields now and then."""
        work: list[tuple[Client, list[Update], bytes]] = []
        if self._everything:
            frames = b"".join([frame for _, _, frame in updates])
            work = [(client, updates, frames) for client in self._everything]
        watched: dict[Client, list[Update]] = {}
        for update in updates:
            for client in self._by_product.get(update[0], ()):
                watched.setdefault(client, []).append(update)
        work += [(client, its, b"".join([frame for _, _, frame in its])) for client, its in watched.items()]
        written = 0
        for number, (client, its, frames) in enumerate(work, 1):
            written += client.send(its, frames)
            if number % CLIENTS_AT_ONCE == 0:
                yield
        telemetry.WS_FRAMES.inc(written)
