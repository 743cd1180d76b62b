"""Fan-out: a client that keeps up gets every update in order, and a slow one the newest of each product. A client
gets only the products that it asked for."""

import asyncio
import itertools

from starlette.websockets import WebSocketDisconnect

from api.live.client import QUEUE_FRAMES_MAX, Client, Update
from api.live.hub import CLIENTS_AT_ONCE, Hub
from api.live.versions import Versions


def take(client: Client) -> list[Update]:
    return asyncio.run(client.take())


def test_a_client_gets_what_it_watches_in_order() -> None:
    hub, everything, one = Hub(), Client(None, conflate=False), Client(["A"], conflate=False)
    hub.add(everything)
    hub.add(one)
    hub.publish([("A", 1, b"a1"), ("B", 1, b"b1"), ("A", 2, b"a2")])
    assert [frame for _, _, frame in take(everything)] == [b"a1", b"b1", b"a2"]
    assert [frame for _, _, frame in take(one)] == [b"a1", b"a2"]


def test_a_conflating_client_gets_the_newest_of_each_product() -> None:
    hub, client = Hub(), Client(None, conflate=True)
    hub.add(client)
    hub.publish([("A", 1, b"a1"), ("B", 1, b"b1"), ("A", 2, b"a2")])
    assert [frame for _, _, frame in take(client)] == [b"b1", b"a2"]


def test_a_conflating_client_keeps_what_is_current_although_something_older_comes_later() -> None:
    hub = Hub()
    client = Client(None, conflate=True, is_current=lambda key, version: (key, version) != ("A", 2))
    hub.add(client)
    hub.publish([("A", 1, b"a1"), ("A", 2, b"late"), ("B", 2, b"b2")])
    assert [frame for _, _, frame in take(client)] == [b"a1", b"b2"]


def test_a_slow_client_is_conflated_and_ends_with_the_newest_of_each_product() -> None:
    hub, client = Hub(), Client(None, conflate=False)
    hub.add(client)
    for version in range(1, QUEUE_FRAMES_MAX):
        hub.publish([("A", version, b"a%d" % version), ("B", version, b"b%d" % version)])
    frames = take(client)
    assert len(frames) <= QUEUE_FRAMES_MAX + 2
    newest = {product: version for product, version, _ in frames}
    assert newest == {"A": QUEUE_FRAMES_MAX - 1, "B": QUEUE_FRAMES_MAX - 1}
    assert all(a[1] < b[1] for a, b in itertools.pairwise(frames) if a[0] == b[0])
    hub.publish([("A", 99_999, b"last")])
    assert take(client) == [("A", 99_999, b"last")]


def test_a_client_that_left_gets_nothing_more() -> None:
    hub, client = Hub(), Client(["A"], conflate=False)
    hub.add(client)
    hub.remove(client)
    hub.publish([("A", 1, b"a1")])
    assert client._queue == type(client._queue)()
    assert hub._by_key == {}


class FakeConnection:
    def __init__(self) -> None:
        self.free = True
        self.gone = False
        self.written: list[bytes] = []

    def write(self, frames: bytes) -> None:
        if self.gone:
            raise WebSocketDisconnect(1006)
        self.written.append(frames)


async def until_it_waits() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_finds_a_client_waiting_is_written_at_once_and_nothing_overtakes() -> None:
    async def run() -> None:
        connection = FakeConnection()
        hub, client = Hub(), Client(None, conflate=False, push=connection)
        hub.add(client)
        # Updates are kept until the client waits, and while its connection is full. Later ones stay behind them.
        hub.publish([("A", 1, b"a1")])
        assert [frame for _, _, frame in await client.take()] == [b"a1"]
        taking = asyncio.ensure_future(client.take())
        await until_it_waits()
        hub.publish([("A", 2, b"a2"), ("B", 1, b"b1")])
        assert connection.written == [b"a2b1"]
        connection.free = False
        hub.publish([("A", 3, b"a3")])
        connection.free = True
        hub.publish([("A", 4, b"a4")])
        assert [frame for _, _, frame in await taking] == [b"a3", b"a4"]
        assert connection.written == [b"a2b1"]

    asyncio.run(run())


def test_a_client_with_a_snapshot_gets_only_what_is_newer() -> None:
    async def run() -> None:
        connection = FakeConnection()
        hub, client = Hub(), Client(["A", "B"], conflate=False, push=connection)
        hub.add(client)
        hub.publish([("A", 1, b"a1"), ("A", 2, b"a2")])
        client.start_after(Versions({"A": 1, "B": 7}))
        assert [frame for _, _, frame in await client.take()] == [b"a2"]
        taking = asyncio.ensure_future(client.take())
        await until_it_waits()
        hub.publish([("B", 7, b"b7"), ("B", 8, b"b8"), ("A", 3, b"a3"), ("C", 1, b"c1")])
        assert connection.written == [b"b8a3"]
        taking.cancel()

    asyncio.run(run())


def test_many_clients_get_everything_in_order_and_others_get_their_turn() -> None:
    async def run() -> None:
        connections = [FakeConnection() for _ in range(3 * CLIENTS_AT_ONCE)]
        hub = Hub()
        clients = [Client(None, conflate=False, push=connection) for connection in connections]
        for client in clients:
            hub.add(client)
        taking = [asyncio.ensure_future(client.take()) for client in clients]
        await until_it_waits()
        connections[7].gone = True
        hub.publish([("A", 1, b"a1")])
        # The hub has served some clients only, and has given control back to the event loop.
        assert 0 < sum(bool(connection.written) for connection in connections) < len(connections)
        hub.publish([("A", 2, b"a2")])
        hub.publish([("A", 3, b"a3")])
        for _ in range(20):
            await asyncio.sleep(0)
        assert all(connection.written == [b"a1", b"a2", b"a3"] for connection in connections if not connection.gone)
        for task in taking:
            task.cancel()

    asyncio.run(run())
