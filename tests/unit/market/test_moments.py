"""Times are kept to the microsecond: cut, not rounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.moments import EARLIEST_US, LATEST_US, parse_number, parse_text, to_rfc3339

AT_US = 1_723_161_255_342_123


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1723161255", 1_723_161_255_000_000),
        ("1723161255.342123999", AT_US),
        ("1723161255342.123999", AT_US),
        ("1723161255342123", AT_US),
        ("1723161255342123.9", AT_US),
        ("1723161255342123999", AT_US),
        ("1.723161255342123e9", AT_US),
        ("1723161255342123e-6", AT_US),
        ("1723161255." + "3" * 5000, 1_723_161_255_333_333),
        ("946684800", EARLIEST_US),
        ("4102444799.9999999", LATEST_US - 1),
        ("4102444799999999999", LATEST_US - 1),
    ],
)
def test_the_unit_of_a_number_is_known_by_its_size(text: str, us: int) -> None:
    assert parse_number(text) == us


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "946684799.9999999",
        "4102444800",
        "99999999999",
        "100000000000",
        "1e30",
        "-1723161255",
        "1e999999999999",
    ],
)
def test_a_number_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="2000 and 2100"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2024-08-08T23:54:15.342123Z", AT_US),
        ("2024-08-08T23:54:15.342123999Z", AT_US),
        ("2024-08-09T01:54:15.342123+02:00", AT_US),
        ("2024-08-08t23:54:15.342123z", AT_US),
        ("2024-08-08T23:54:15-00:00", 1_723_161_255_000_000),
        ("2024-08-08T23:54:15.1Z", 1_723_161_255_100_000),
        ("2099-12-31T23:59:59.999999999Z", LATEST_US - 1),
    ],
)
def test_a_text_is_rfc_3339(text: str, us: int) -> None:
    assert parse_text(text) == us


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-08T23:54:15.1234567890Z",
        "2024-08-08T23:54:15.Z",
        "2024-08-08T23:54:15",
        "2024-08-08",
        "1723161255",
        "2024-02-30T00:00:00Z",
        "2024-08-08T24:00:00Z",
        "2024-08-08T23:54:60Z",
        "1999-12-31T23:59:59.999999999Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "２024-08-08T23:54:15Z",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|does not exist|2000 and 2100"):
        parse_text(text)


@given(st.integers(EARLIEST_US, LATEST_US - 1))
def test_every_moment_comes_back_from_each_of_its_forms(us: int) -> None:
    assert parse_text(to_rfc3339(us)) == us
    for text in (f"{us // 10**6}.{us % 10**6:06d}", f"{us // 1000}.{us % 1000:03d}", f"{us}", f"{us * 1000 + 999}"):
        assert parse_number(text) == us
