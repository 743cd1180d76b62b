"""The hub: hands each update to every client that watches its key. The frame is encoded once, and no client slows
another."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping

import telemetry
from api.live.client import Client, Update

CLIENTS_AT_ONCE = 500
"""Clients that are written to before the event loop does other work."""


class Hub:
    """The clients, by the keys that they watch. Belongs to the event loop's thread.

    In: batches of updates from a relay (`publish`). Out: `Client.send`. Sessions add and remove their clients."""

    def __init__(self) -> None:
        self.clients = 0
        self._everything: set[Client] = set()
        self._by_key: dict[str, set[Client]] = {}
        self._batches: deque[list[Update]] = deque()
        self._delivery: Iterator[None] | None = None
        self._is_scheduled = False

    def add(self, client: Client) -> None:
        """The client receives all updates from now on."""
        self._watch(client)
        self.clients += 1
        telemetry.WS_CLIENTS.inc()

    def remove(self, client: Client) -> None:
        """The client receives no more updates."""
        self._unwatch(client)
        self.clients -= 1
        telemetry.WS_CLIENTS.dec()

    def change(self, client: Client, versions: Mapping[str, int]) -> None:
        """The client watches the keys of `versions` from now on, in place of those before. versions: the version of
        each key that it has, 0 for none."""
        self._unwatch(client)
        client.keys = frozenset(versions)
        self._watch(client)
        client.ask(versions)

    def publish(self, updates: list[Update]) -> None:
        """Send updates to the clients that watch their keys, after all updates that were published before. With
        many clients, part of it is done later, so that the event loop can do other work in between."""
        if not updates:
            return
        self._batches.append(updates)
        if not self._is_scheduled:
            self._continue()

    def withdraw(self, update: Update) -> None:
        """Tell the clients that watch a key that it has no state any more, if they chose their keys by message."""
        for client in (*self._everything, *self._by_key.get(update[0], ())):
            if client.by_message:
                client.offer(update)

    def _watch(self, client: Client) -> None:
        if client.keys is None:
            self._everything.add(client)
        else:
            for key in client.keys:
                self._by_key.setdefault(key, set()).add(client)

    def _unwatch(self, client: Client) -> None:
        self._everything.discard(client)
        for key in client.keys or ():
            watching = self._by_key[key]
            watching.discard(client)
            if not watching:
                del self._by_key[key]

    def _continue(self) -> None:
        if self._delivery is None:
            self._delivery = self._deliver(self._batches.popleft())
        for _ in self._delivery:
            break
        else:
            self._delivery = None
        self._is_scheduled = self._delivery is not None or bool(self._batches)
        if self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._continue)

    def _deliver(self, updates: list[Update]) -> Iterator[None]:
        """Yields after every CLIENTS_AT_ONCE clients."""
        # Clients that come or go from now on change neither.
        everything = [*self._everything]
        watched: dict[Client, list[Update]] = {}
        for update in updates:
            for client in self._by_key.get(update[0], ()):
                watched.setdefault(client, []).append(update)
        written = 0
        frames = b"".join([frame for _, _, frame in updates]) if everything else b""
        for number, client in enumerate(everything, 1):
            written += client.send(updates, frames)
            if not number % CLIENTS_AT_ONCE:
                yield
        for number, (client, its) in enumerate(watched.items(), 1):
            written += client.send(its, b"".join([frame for _, _, frame in its]))
            if not number % CLIENTS_AT_ONCE:
                yield
        telemetry.WS_FRAMES.inc(written)
