"""Every change that a reader of `/price` can see, the readers of all other outputs see: over all causes."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.pipeline import KEY, Pipeline, wait_for

ADMIN = {"X-API-Key": KEY}
POLICY = "[guardrails]\nfloor_margin = 0\n"
PRODUCTS = ("A", "B")


class Subscriber:
    """A client that chooses its products by message, as the dashboard does. `prices`: product to its price."""

    def __init__(self, connection: ClientConnection) -> None:
        self.prices: dict[str, float] = {}
        self._connection = connection
        products = dict.fromkeys(PRODUCTS, 0)
        connection.send(json.dumps({"type": "subscribe", "products": products}))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in self._connection:
                frame = json.loads(message)
                if frame["type"] == "price_update":
                    self.prices[frame["product_id"]] = frame["new_price"]
                elif frame["type"] == "price_withdrawn":
                    self.prices.pop(frame["product_id"], None)


@pytest.fixture
def running(pipeline: Pipeline, tmp_path: Path) -> Iterator[Pipeline]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    pipeline.environment["POLICY"] = str(policy)
    pipeline.start_api()
    pipeline.start_flow()
    wait_for(pipeline.api_ready)
    yield pipeline
    pipeline.stop_flow()
    pipeline.stop_api()


class Outputs:
    """The price of a product at each output, None if it has none there."""

    def __init__(self, pipeline: Pipeline, subscriber: Subscriber) -> None:
        self._pipeline = pipeline
        self._subscriber = subscriber
        self._board: dict[str, float | None] = {}
        self._token: str | None = None

    def of(self, product: str) -> dict[str, float | None]:
        """Return output to price."""
        pipeline = self._pipeline
        answer = pipeline.http.get(f"/price/{product}")
        listed = pipeline.http.get("/prices", params={"ids": product}).json()["prices"]
        stored = pipeline.redis.hget(f"price:{product}", "price")
        return {
            "price": answer.json()["price"] if answer.status_code == 200 else None,
            "prices": listed[0]["price"] if listed else None,
            "redis": float(str(stored)) if stored is not None else None,
            "subscriber": self._subscriber.prices.get(product),
            "snapshot": self._read_snapshot(product),
            "board": self._read_board(product),
            "price-updates": self._read_updates(product),
        }

    def _read_snapshot(self, product: str) -> float | None:
        url = self._pipeline.url.replace("http", "ws") + f"/ws/prices?snapshot=1&products={product}"
        with connect(url, proxy=None) as connection:
            try:
                price: float = json.loads(connection.recv(timeout=0.1))["new_price"]
            except TimeoutError:
                return None
        return price

    def _read_board(self, product: str) -> float | None:
        page = self._pipeline.http.get("/board", params={"since": self._token} if self._token else {}).json()
        self._token = page["token"]
        self._board.update({row[0]: row[3] for row in page["rows"]})
        return self._board.get(product)

    def _read_updates(self, product: str) -> float | None:
        found = [message.json() for message in self._pipeline.read("price-updates")]
        newest: dict[str, Any] = max(
            (each for each in found if each["product_id"] == product), key=lambda e: e["version"], default={}
        )
        price: float | None = newest.get("new_price")
        return price

    def agree_at(self, product: str, price: float | None) -> None:
        """Wait until every output has this price. Raises AssertionError with what they have."""
        wait_for(lambda: set(self.of(product).values()) == {price}, 30, lambda: f"{price}, not {self.of(product)}")
        if price is not None:
            wait_for(lambda: self._newest_row(product) == price, 30, lambda: f"{self._newest_row(product)}")

    def _newest_row(self, product: str) -> float | None:
        answer = self._pipeline.http.get(f"/history/{product}", params={"limit": 1}, headers=ADMIN)
        if answer.status_code != 200 or not answer.json()["history"]:
            return None
        price: float = answer.json()["history"][0]["price"]
        return price


def catalogue(pipeline: Pipeline, product: str, base_price: float, **fields: Any) -> None:
    entry = {"product_id": product, "name": "Mug", "category": "kitchen", "base_price": base_price}
    pipeline.send("product-catalogue", product, {**entry, "unit_cost": 1.0, **fields})
    pipeline.flush()


def test_all_outputs_agree_after_every_cause(running: Pipeline) -> None:
    http, event = running.http, running.event
    with connect(running.url.replace("http", "ws") + "/ws/prices?subscribe=1", proxy=None) as connection:
        outputs = Outputs(running, Subscriber(connection))
        catalogue(running, "A", 10.0)
        outputs.agree_at("A", 10.0)
        catalogue(running, "A", 12.0)
        outputs.agree_at("A", 12.0)
        running.send("product-catalogue", "A", None)
        running.flush()
        outputs.agree_at("A", None)
        catalogue(running, "A", 12.0)
        outputs.agree_at("A", 12.0)
        event("A", 20.0)
        running.flush()
        outputs.agree_at("A", 25.0)
        catalogue(running, "A", 12.0, unit_cost=30.0)
        outputs.agree_at("A", 30.0)
        catalogue(running, "A", 12.0)
        outputs.agree_at("A", 25.0)
        body = {"product_id": "A", "override_price": 99.0}
        assert http.post("/override", json=body, headers=ADMIN).status_code == 200
        outputs.agree_at("A", 99.0)
        assert http.delete("/override/A", headers=ADMIN).status_code == 200
        outputs.agree_at("A", 25.0)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
        http.post("/override", json={**body, "expires_at": ends}, headers=ADMIN).raise_for_status()
        outputs.agree_at("A", 99.0)
        outputs.agree_at("A", 25.0)
        # A set, a removal, a set, and the flow's own tombstone: the flow that reads it changes nothing.
        wait_for(lambda: len(running.read("price-overrides")) == 4, what="the tombstone")
        assert [each.value is None for each in running.read("price-overrides")] == [False, True, False, True]
        http.post("/freeze", json={"scope": "product:A", "reason": "x"}, headers=ADMIN).raise_for_status()
        event("A", 40.0)
        running.flush()
        running.wait_for_version("A", 12)
        outputs.agree_at("A", 25.0)
        http.delete("/freeze/product:A", headers=ADMIN).raise_for_status()
        outputs.agree_at("A", 47.07)

        # An override that the bounds do not allow yet can be seen and removed.
        running.send("product-catalogue", "B", {"product_id": "B", "name": "B", "category": "c", "base_price": 5})
        running.flush()
        wait_for(lambda: running.redis.exists("product:B"))
        outputs.agree_at("B", None)
        http.post("/override", json={**body, "product_id": "B"}, headers=ADMIN).raise_for_status()
        outputs.agree_at("B", None)
        assert [each["product_id"] for each in http.get("/overrides", headers=ADMIN).json()["overrides"]] == ["B"]
        catalogue(running, "B", 5.0)
        outputs.agree_at("B", 99.0)
        assert http.delete("/override/B", headers=ADMIN).status_code == 200
        outputs.agree_at("B", 5.0)
        # A product that is removed under a freeze leaves nothing.
        http.post("/freeze", json={"scope": "all", "reason": "x"}, headers=ADMIN).raise_for_status()
        running.send("product-catalogue", "B", None)
        running.flush()
        outputs.agree_at("B", None)
