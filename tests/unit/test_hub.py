"""Fan-out: order for readers that keep up, the newest for those that do not, nothing for those that did not ask."""

import asyncio
import itertools

from api.hub import QUEUE_FRAMES_MAX, Client, Hub


def take(client: Client) -> list[tuple[str, int, str]]:
    return asyncio.run(client.take())


def test_a_client_gets_what_it_watches_in_order() -> None:
    hub, everything, one = Hub(), Client(None, conflate=False), Client(["A"], conflate=False)
    hub.add(everything)
    hub.add(one)
    hub.publish([("A", 1, "a1"), ("B", 1, "b1"), ("A", 2, "a2")])
    assert [frame for _, _, frame in take(everything)] == ["a1", "b1", "a2"]
    assert [frame for _, _, frame in take(one)] == ["a1", "a2"]


def test_a_conflating_client_gets_the_newest_of_each_product() -> None:
    hub, client = Hub(), Client(None, conflate=True)
    hub.add(client)
    hub.publish([("A", 1, "a1"), ("B", 1, "b1"), ("A", 2, "a2")])
    assert [frame for _, _, frame in take(client)] == ["b1", "a2"]


def test_a_slow_client_is_conflated_and_ends_with_the_newest_of_each_product() -> None:
    hub, client = Hub(), Client(None, conflate=False)
    hub.add(client)
    for version in range(1, QUEUE_FRAMES_MAX):
        hub.publish([("A", version, f"a{version}"), ("B", version, f"b{version}")])
    frames = take(client)
    assert len(frames) <= QUEUE_FRAMES_MAX + 2
    newest = {product: version for product, version, _ in frames}
    assert newest == {"A": QUEUE_FRAMES_MAX - 1, "B": QUEUE_FRAMES_MAX - 1}
    assert all(a[1] < b[1] for a, b in itertools.pairwise(frames) if a[0] == b[0])
    hub.publish([("A", 99_999, "last")])
    assert take(client) == [("A", 99_999, "last")]


def test_a_client_that_left_gets_nothing_more() -> None:
    hub, client = Hub(), Client(["A"], conflate=False)
    hub.add(client)
    hub.remove(client)
    hub.publish([("A", 1, "a1")])
    assert client._queue == type(client._queue)()
    assert hub._by_product == {}
