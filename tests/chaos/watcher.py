"""A WebSocket client that connects again after each cut, with a snapshot, as a careful reader does."""

import json
import threading
import time
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect


class Watcher:
    """The client, in a thread of its own. `latest`: product to the version and the price that it has. `backwards`:
    updates outside a snapshot that were older than one before on the same connection."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("http", "ws") + "/ws/prices?snapshot=1"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.latest: dict[str, tuple[int, float]] = {}
        self._on_this_line: dict[str, int] = {}
        self.frames = 0
        self.connections = 0
        self.backwards: list[dict[str, Any]] = []

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(self._url, open_timeout=5, close_timeout=1, proxy=None) as connection:
                    self.connections += 1
                    # The promise holds for one connection: on a new one, older versions may come again.
                    self._on_this_line.clear()
                    while not self._stop.is_set():
                        try:
                            self._note(json.loads(connection.recv(timeout=0.5)))
                        except TimeoutError:
                            continue
            except (OSError, WebSocketException, TimeoutError):
                time.sleep(0.2)

    def _note(self, update: dict[str, Any]) -> None:
        self.frames += 1
        name, version = update["product_id"], update["version"]
        if version < self._on_this_line.get(name, 0) and not update.get("snapshot"):
            self.backwards.append(update)
        self._on_this_line[name] = max(version, self._on_this_line.get(name, 0))
        if version >= self.latest.get(name, (0, 0.0))[0]:
            self.latest[update["product_id"]] = update["version"], update["new_price"]
