"""The rows of ticks in a real Redis: what the script keeps, and what it refuses."""

import json
from typing import Any

import pytest
import redis

from clients.behind import KeysBehind
from clients.redis import connect, parse_address
from market.applied import Applied
from market.batches import TickBatch
from market.moments import SECOND_US
from market.policy import MarketPolicy
from market.state.lane import Lane
from market.state.shard import Shard
from market.state.symbol import Limits
from market.ticks import Tick
from sinks.redis import keys
from sinks.redis.market import FILLED, SCRIPT, encode_latest
from sinks.redis.sink import RedisStore
from stack.redis import RedisServer

AT_US = 1_723_161_255_000_000


class Market:
    """A shard and its rows in Redis, which keeps three ticks of a symbol."""

    def __init__(self, client: "redis.Redis", execution: int = 0, documents: tuple[bytes, ...] = ()) -> None:
        self._client = client
        self._execution = execution
        self.shard = Shard(MarketPolicy(), Limits(), documents)
        self._lane = Lane(watches_silence=False)
        self._lane.hold(0, self.shard)
        self.store = RedisStore(client, SCRIPT, ["3"], KeysBehind("redis", "redis_not_newer"), FILLED)

    def apply(self, *ticks: tuple[int, int]) -> None:
        """Apply and write ticks: price, and time in seconds."""
        made = [Tick("BTC/USD", price * 10**8, 10**8, AT_US + at_s * SECOND_US) for price, at_s in ticks]
        zeros = [0] * len(made)
        self.write(self._lane.apply(TickBatch("t", zeros, zeros, made, zeros), 0))

    def refill(self) -> None:
        self.write(Applied(latest=self.shard.latest()))

    def write(self, applied: Applied) -> None:
        self.store.write(dict(encode_latest(applied, self._execution)))

    def listed(self) -> list[tuple[int, float]]:
        rows: list[Any] = self._client.lrange("ticks:BTC/USD", 0, -1)
        return [(each["seq"], each["price"]) for each in map(json.loads, rows)]

    def latest(self) -> tuple[str, str]:
        found: list[Any] = self._client.hmget("tick:BTC/USD", "price", "seq")
        price, seq = (value.decode() for value in found)
        return price, seq


@pytest.fixture
def client(redis_server: RedisServer) -> "redis.Redis":
    return connect(parse_address(redis_server.address))


def test_the_latest_is_that_of_the_greatest_time_and_the_list_is_by_number(client: "redis.Redis") -> None:
    market = Market(client)
    market.apply((10, 5), (11, 3))
    assert (market.latest(), market.listed()) == (("10.0", "1"), [(2, 11.0), (1, 10.0)])
    market.apply((12, 5), (12, 4))
    assert (market.latest(), market.listed()) == (("12.0", "3"), [(4, 12.0), (3, 12.0), (2, 11.0)])


def test_an_execution_takes_the_place_of_the_ticks_that_it_applies_again(client: "redis.Redis") -> None:
    before = Market(client)
    before.apply((10, 1))
    committed = before.shard.snapshot()
    before.apply((11, 2), (12, 3))
    after = Market(client, 1, (committed,))
    # The same ticks in another order.
    after.apply((12, 3))
    assert (after.latest(), after.listed()) == (("12.0", "2"), [(2, 12.0), (1, 10.0)])
    after.apply((11, 2))
    assert (after.latest(), after.listed()) == (("12.0", "2"), [(3, 11.0), (2, 12.0), (1, 10.0)])
    # Rows of the execution that is over change nothing.
    before.apply((13, 3))
    assert (after.latest()[1], after.listed()[0]) == ("2", (3, 11.0))


def test_a_refill_writes_all_that_is_kept_and_repeats_nothing(client: "redis.Redis") -> None:
    market = Market(client)
    market.apply((10, 1), (11, 2))
    market.refill()
    assert market.listed() == [(2, 11.0), (1, 10.0)]
    client.flushdb()
    market.refill()
    assert (market.latest(), market.listed()) == (("11.0", "2"), [(2, 11.0), (1, 10.0)])


def test_keys_of_another_type_and_rubbish_in_a_list_give_way(client: "redis.Redis") -> None:
    market = Market(client)
    client.set("tick:BTC/USD", "text")
    market.apply((10, 1))
    assert market.latest() == ("10.0", "1")
    client.lpush("ticks:BTC/USD", "rubbish")
    other = Market(client, 1, (market.shard.snapshot(),))
    other.apply((11, 2))
    assert other.listed() == [(2, 11.0), (1, 10.0)]


def test_rows_that_were_dropped_ask_for_a_refill_of_their_own_system(client: "redis.Redis") -> None:
    client.set(FILLED, "a")
    client.set(keys.FILLED, "b")
    market = Market(client)
    market.store.lost = True
    market.apply((10, 1))
    assert (client.get(FILLED), client.get(keys.FILLED)) == (None, b"b")
