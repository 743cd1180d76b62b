"""The board: rows of all products, pages of changes, and no older version over a newer one."""

from api.pricing import board
from api.pricing.board import Board, SeenAdjustment, SeenUpdate
from core.timestamps import DAY_MS
from pricing.decision import Adjustment
from sinks.redis.reader import StoredPrice, StoredProduct


def update(product_id: str, version: int, price: float = 1.0, day: int = 5, rule: str = "base") -> SeenUpdate:
    rules = [SeenAdjustment("base"), SeenAdjustment(rule)]
    return SeenUpdate(product_id, price, version, 1.0, "dynamic", day * DAY_MS, 0.5, rules)


def stored(product_id: str, version: int, price: float = 1.0) -> StoredPrice:
    adjustments = [Adjustment("base", price, "last event")]
    return StoredPrice(product_id, price, 2.0, version, "base", None, 7, adjustments, DAY_MS, "p", 0.75, 1)


def ids(page: board.BoardPage) -> list[str]:
    return [row[0] for row in page.rows]


def test_a_page_has_what_changed_since_the_token() -> None:
    known = Board()
    known.note(update("A", 1))
    known.note(update("B", 1))
    first = known.page(None)
    assert (first.reset, first.more, first.total, ids(first)) == (True, False, 2, ["A", "B"])
    assert ids(known.page(first.token)) == []
    known.note(update("A", 2))
    second = known.page(first.token)
    assert (second.reset, ids(second)) == (False, ["A"])


def test_pages_go_on_until_all_is_told() -> None:
    known = Board()
    for index in range(board.PAGE_MAX + 10):
        known.note(update(f"P{index}", 1))
    first = known.page(None)
    assert (len(first.rows), first.more) == (board.PAGE_MAX, True)
    known.note(update("P0", 2))
    second = known.page(first.token)
    assert (ids(second), second.more) == ([f"P{board.PAGE_MAX + index}" for index in range(10)] + ["P0"], False)


def test_a_token_of_another_process_starts_anew() -> None:
    known = Board()
    known.note(update("A", 1))
    for token in ("00000000-7", "nonsense", "", known.page(None).token.split("-")[0] + "-x"):
        page = known.page(token)
        assert (page.reset, ids(page)) == (True, ["A"])


def test_an_older_version_changes_nothing() -> None:
    known = Board()
    known.note(update("A", 5, 5.0))
    known.note(update("A", 4, 4.0))
    known.note_stored(stored("A", 3, 3.0))
    found = known.get("A")
    assert found is not None
    assert (found.version, found.price) == (5, 5.0)


def test_the_days_open_comes_from_redis_and_moves_with_the_day() -> None:
    known = Board()
    known.note_stored(stored("A", 1))
    known.note(update("A", 2, 9.0, day=1))
    assert known.page(None).rows[0][9] == 0.75
    known.note(update("A", 3, 9.0, day=2))
    assert known.page(None).rows[0][9] == 0.5


def test_a_name_that_is_learned_is_a_change() -> None:
    known = Board()
    known.note(update("A", 1, rule="floor"))
    token = known.page(None).token
    known.note_product(StoredProduct("A", "Mug", "kitchen", 2.0))
    (row,) = known.page(token).rows
    assert row[:3] == ("A", "Mug", "kitchen")
    assert row[8] == "floor"
    token = known.page(None).token
    known.note_product(StoredProduct("A", "Mug", "kitchen", 2.0))
    assert known.page(token).rows == []
