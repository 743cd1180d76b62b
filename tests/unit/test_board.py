"""What the API keeps of every product, and what it says of the flow."""

from api import board
from api.board import Board, SeenAdjustment, SeenUpdate
from api.flow_metrics import quantiles_ms
from api.preview import preview_override
from pricing.decision import Adjustment
from pricing.policy import parse_policy
from sinks.redis.reader import StoredPrice, StoredProduct

DAY_MS = 86_400_000


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


def test_quantiles_are_of_what_came_in_between() -> None:
    before = {0.001: 100.0, 0.01: 100.0, 0.1: 100.0}
    assert quantiles_ms(before, before) == {"p50": None, "p99": None}
    after = {0.001: 100.0, 0.01: 198.0, 0.1: 200.0}
    assert quantiles_ms(before, after) == {"p50": 10.0, "p99": 100.0}
    assert quantiles_ms({}, {}) == {"p50": None, "p99": None}


POLICY = parse_policy("[guardrails]\nfloor = 2\nceiling_ratio = 2\nmax_step_percent = 20\nendings = [99, 0]")
PRODUCT = StoredProduct("A", "Mug", "kitchen", 10.0)


def test_a_preview_says_what_an_override_would_do() -> None:
    preview = preview_override(11.99, stored("A", 1, 10.0), PRODUCT, POLICY)
    assert (preview.old_price, preview.new_price, preview.change_percent) == (10.0, 11.99, 19.9)
    assert preview.warnings == []


def test_a_preview_warns_of_what_binds_and_of_what_is_unusual() -> None:
    assert "floor of 2.00" in preview_override(1.0, stored("A", 1, 10.0), PRODUCT, POLICY).warnings[0]
    ceiling = preview_override(50.0, stored("A", 1, 10.0), PRODUCT, POLICY)
    assert (ceiling.new_price, "ceiling of 20.00" in ceiling.warnings[0]) == (20.0, True)
    unusual = preview_override(15.5, stored("A", 1, 10.0), PRODUCT, POLICY).warnings
    assert len(unusual) == 2
    assert "largest step of 20 %" in unusual[0]
    assert "price endings" in unusual[1]


def test_a_preview_of_an_unknown_bound_says_that_nothing_will_change() -> None:
    preview = preview_override(5.0, stored("A", 1, 10.0), None, POLICY)
    assert (preview.new_price, preview.warnings[0][:25]) == (10.0, "the price will not change")


def test_a_preview_of_a_product_without_a_price() -> None:
    preview = preview_override(9.99, None, PRODUCT, POLICY)
    assert (preview.old_price, preview.new_price, preview.change_percent) == (None, 9.99, None)
