import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.timestamps import EARLIEST_MS, LATEST_MS, parse_timestamp, to_rfc3339


@pytest.mark.parametrize(
    ("given_value", "ms"),
    [
        (1_323_074_280, 1_323_074_280_000),
        (1_323_074_280.123, 1_323_074_280_123),
        (1_700_000_000.9999, 1_700_000_000_999),
        (1_323_074_280_123, 1_323_074_280_123),
        (1_323_074_280_123.9, 1_323_074_280_123),
        (10**12, 10**12),
        (946_684_800, EARLIEST_MS),
        (4_102_444_799, LATEST_MS - 1000),
        ("2011-12-05T08:38:00Z", 1_323_074_280_000),
        ("2011-12-05t08:38:00.5z", 1_323_074_280_500),
        ("2011-12-05T09:38:00.1239+01:00", 1_323_074_280_123),
        ("2000-01-01T00:00:00Z", EARLIEST_MS),
    ],
)
def test_seconds_milliseconds_and_text_are_read(given_value: float | str, ms: int) -> None:
    assert parse_timestamp(given_value) == ms


@pytest.mark.parametrize(
    "bad",
    [
        0,
        -1,
        946_684_799.999,
        4_102_444_800,
        95_617_584_000,
        LATEST_MS,
        float("inf"),
        float("-inf"),
        "5000-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2011-12-05",
        "2011-12-05T08:38:00",
        "20111205T083800Z",
        "2011-13-05T08:38:00Z",
        "2011-12-05T08:38:61Z",
        "2011-W49-1T08:38:00Z",
        "٢٠١١-12-05T08:38:00Z",
        "1323074280",
        "",
    ],
)
def test_other_times_are_refused(bad: float | str) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(bad)


@given(st.integers(EARLIEST_MS, LATEST_MS - 1))
def test_text_of_a_time_reads_back(ms: int) -> None:
    assert parse_timestamp(to_rfc3339(ms)) == ms


@given(st.integers(EARLIEST_MS, LATEST_MS - 1))
def test_seconds_with_three_decimals_are_exact(ms: int) -> None:
    assert parse_timestamp(ms / 1000) == ms
