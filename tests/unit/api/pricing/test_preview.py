"""The preview of an override: its price, its difference, its warnings."""

from api.pricing.preview import preview_override
from core.timestamps import DAY_MS
from pricing.decision import Adjustment
from pricing.policy import parse_policy
from sinks.redis.reader import StoredPrice, StoredProduct

POLICY = parse_policy("[guardrails]\nfloor = 2\nceiling_ratio = 2\nmax_step_percent = 20\nendings = [99, 0]")
PRODUCT = StoredProduct("A", "Mug", "kitchen", 10.0)


def stored(product_id: str, version: int, price: float = 1.0) -> StoredPrice:
    adjustments = [Adjustment("base", price, "last event")]
    return StoredPrice(product_id, price, 2.0, version, "base", None, 7, adjustments, DAY_MS, "p", 0.75, 1)


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
