"""The price cache keeps an answer only if nothing has changed since it was read."""

from api.pricing.board import Board
from api.pricing.price_cache import PriceCache


def test_nothing_is_kept_until_changes_are_told_and_after_they_no_longer_are() -> None:
    cache = PriceCache(Board())
    cache.keep("A", cache.ticket("A"), b"1")
    assert cache.get("A") is None
    cache.start()
    cache.keep("A", cache.ticket("A"), b"1")
    assert cache.get("A") == b"1"
    ticket = cache.ticket("B")
    cache.end()
    cache.keep("B", ticket, b"2")
    assert cache.get("A") is None
    assert cache.get("B") is None


def test_a_change_while_it_is_read_voids_the_answer() -> None:
    cache = PriceCache(Board())
    cache.start()
    for changed in (["A"], None):
        ticket = cache.ticket("A")
        cache.change(changed)
        cache.keep("A", ticket, b"old")
        assert cache.get("A") is None


def test_of_two_that_read_at_once_the_later_counts() -> None:
    cache = PriceCache(Board())
    cache.start()
    first = cache.ticket("A")
    cache.change(["A"])
    second = cache.ticket("A")
    cache.keep("A", first, b"old")
    assert cache.get("A") is None
    cache.keep("A", second, b"new")
    assert cache.get("A") == b"new"


def test_a_product_that_is_not_there_leaves_nothing_behind() -> None:
    cache = PriceCache(Board())
    cache.start()
    cache.keep("A", cache.ticket("A"), None)
    assert cache.get("A") is None
    assert cache._tickets == {}


def test_a_price_that_is_read_all_the_time_by_many_is_kept() -> None:
    cache = PriceCache(Board())
    cache.start()
    reading = [cache.ticket("A") for _ in range(32)]
    for _ in range(100):
        # Each answer is followed by the next request, before the next answer comes.
        cache.keep("A", reading.pop(0), b"1")
        reading.append(cache.ticket("A"))
    assert cache.get("A") == b"1"
    cache.change(["A"])
    for ticket in reading:
        cache.keep("A", ticket, b"1")
    assert cache.get("A") is None
