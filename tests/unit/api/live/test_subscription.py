"""Subscriptions work in the same way for every system, with its own field names."""

import pytest

from api.live.subscription import BadMessageError, KeyForm, Subscription, parse_subscription, subscribe_parser
from api.web.errors import ApiError


def test_a_query_string_names_keys_by_the_systems_word() -> None:
    assert parse_subscription({}, KeyForm("product")) == Subscription(None, False, None, False)
    assert parse_subscription({"subscribe": "1"}, KeyForm("product")) == Subscription([], False, None, True)
    # A key that is named twice is watched once, and its state comes once.
    query = {"symbols": "B,A,B", "snapshot": "1", "conflate_ms": "250"}
    assert parse_subscription(query, KeyForm("symbol")) == Subscription(["B", "A"], True, 0.25, False)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"subscribe": "1", "symbols": "A"}, "subscribe takes 0 or 1, and 1 only without symbols"),
        ({"symbols": "A,"}, "symbol_id takes"),
        ({"symbols": ",".join(["A"] * 501)}, "at most 500 symbol ids"),
        ({"snapshot": "yes"}, "snapshot takes 0 or 1"),
        ({"conflate_ms": "60001"}, "conflate_ms takes a whole number from 1 to 60000"),
    ],
)
def test_a_bad_query_string_is_refused(query: dict[str, str], problem: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_subscription(query, KeyForm("symbol"))
    assert refusal.value.status_code == 400
    assert refusal.value.detail.startswith(problem)


def test_a_message_names_keys_and_the_versions_that_the_client_has() -> None:
    parse = subscribe_parser(KeyForm("symbol"))
    assert parse('{"type": "subscribe", "symbols": {"A": 17, "B": 0}}') == {"A": 17, "B": 0}
    for text, problem in (
        ("", "a message takes type subscribe, and symbols: ids with the versions you have"),
        ('{"type": "subscribe", "products": {}}', "a message takes type subscribe"),
        ('{"type": "pulse", "symbols": {}}', "a message takes type subscribe"),
        ('{"type": "subscribe", "symbols": {"A/B": 1}}', "symbols takes ids of symbols"),
    ):
        with pytest.raises(BadMessageError, match=problem):
            parse(text)
