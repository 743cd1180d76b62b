"""Commands that Kafka refuses, and lines of a bulk request that cannot be published."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from api.commands.applied import AppliedCommands
from api.commands.producer import Commands
from api.commands.publishing import UnconfirmedError, publish
from api.operations.flow_metrics import FlowMetrics
from api.operations.policy_in_force import PolicyInForce
from api.pricing.board import Board
from api.pricing.bulk_overrides import apply_changes
from api.pricing.price_cache import PriceCache
from api.pricing.recent_changes import RecentChanges
from api.web.errors import ApiError
from core.errors import CommandRefusedError, MessageTooLargeError, NotConfirmedError, RedisDownError
from pricing.policy import default_policy
from sinks.redis.reader import StoredOverride, StoredProduct

NOW_MS = 1_700_000_000_000


def test_a_command_that_cannot_be_sent_is_refused_at_once() -> None:
    commands = Commands({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    with pytest.raises(MessageTooLargeError, match="larger than Kafka takes"):
        asyncio.run(commands.put("topic", "A", b"x" * 2_000_000, at_ms=NOW_MS))


class FakeCommands:
    """In place of `Commands`: raises `error` for the keys of `failing`."""

    def __init__(self, error: Exception, failing: str) -> None:
        self.error = error
        self.failing = failing
        self.put_keys: list[str] = []

    async def put(self, topic: str, key: str, value: bytes | None, *, at_ms: int) -> None:
        self.put_keys.append(key)
        if key in self.failing:
            raise self.error


class FakePrices:
    """In place of `PriceReader`: products A to D without a price. Its overrides cannot be read for those of
    `failing`."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing

    async def prices(self, ids: list[str]) -> list[Any]:
        return []

    async def products(self, ids: list[str]) -> list[StoredProduct]:
        return [StoredProduct(name, "", "", 10.0) for name in ids if name in "ABCD"]

    async def override(self, product_id: str) -> StoredOverride | None:
        if product_id in self.failing:
            raise RedisDownError
        return StoredOverride(product_id, 5.0, "r", "admin", "2023-11-14T22:13:20.000Z", None)


def services_with(commands: FakeCommands, prices: FakePrices) -> Any:
    return SimpleNamespace(
        commands=commands,
        prices=prices,
        policy=PolicyInForce(default_policy(), FlowMetrics(["127.0.0.1:1"])),
        recent=RecentChanges(),
        applied_overrides=AppliedCommands(),
        price_cache=PriceCache(Board()),
        overrides_topic="price-overrides",
    )


def test_what_is_not_known_is_said_with_the_id_of_the_command() -> None:
    services = services_with(FakeCommands(NotConfirmedError(), "A"), FakePrices())
    with pytest.raises(UnconfirmedError) as unknown:
        asyncio.run(publish(services, "t", "A", None, at_ms=NOW_MS, where="GET /overrides shows it"))
    assert unknown.value.status_code == 503
    assert "not confirmed: it may still take effect" in unknown.value.detail
    assert "2023-11-14T22:13:20.000Z" in unknown.value.detail
    assert unknown.value.headers == {"Command-Id": "2023-11-14T22:13:20.000Z"}
    services = services_with(FakeCommands(CommandRefusedError("too large"), "A"), FakePrices())
    with pytest.raises(ApiError, match=r"refused.*nothing was changed: too large"):
        asyncio.run(publish(services, "t", "A", None, at_ms=NOW_MS, where=""))


def test_each_line_of_a_bulk_request_says_what_became_of_it() -> None:
    commands = FakeCommands(NotConfirmedError(), "B")
    services = services_with(commands, FakePrices(failing="C"))
    changes = [{"product_id": name, "override_price": 5} for name in "ABX"]
    changes.append({"product_id": "C", "override_price": 5, "expected_set_at": None})
    results = asyncio.run(apply_changes(services, changes, NOW_MS, dry_run=False))
    assert [each["status"] for each in results] == ["upserted", "not confirmed", "refused", "refused"]
    assert results[1]["command_id"] == "2023-11-14T22:13:20.000Z"
    assert "may still take effect" in results[1]["error"]
    assert results[3]["error"] == "the price store does not answer; nothing was changed"
    assert commands.put_keys == ["A", "B"]
