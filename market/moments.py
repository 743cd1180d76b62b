"""Times of the market: UTC microseconds since the epoch."""

import re
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, ROUND_DOWN, Context
from functools import lru_cache

from market.amounts import exact_decimal

SECOND_US = 1_000_000
EARLIEST_US = 946_684_800 * SECOND_US
"""2000-01-01T00:00:00Z, inclusive."""

LATEST_US = 4_102_444_800 * SECOND_US
"""2100-01-01T00:00:00Z, exclusive."""

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTEXT = Context(prec=40, rounding=ROUND_DOWN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_SHIFTS = ((11, 6), (14, 3), (17, 0))
"""Digits below which a number is in seconds, milliseconds or microseconds, and the power of ten to microseconds."""

_SCALES = [next((10**shift for below, shift in _SHIFTS if digits <= below), 0) for digits in range(20)]
"""By the number of digits: the factor to microseconds; 0 for nanoseconds."""

_OUT_OF_RANGE = "is not between the years 2000 and 2100"


def parse_text(text: str) -> int:
    """Microseconds of an RFC 3339 text with up to 9 fractional digits, cut, in the years 2000 to 2099. Raises
    ValueError; its text is worded to follow a field name."""
    return _in_range(parse_any_text(text))


def parse_any_text(text: str) -> int:
    """As `parse_text`, of any year from 1 to 9999."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("is not RFC 3339 with up to 9 fractional digits, such as 2024-08-08T23:54:15.342Z")
    day, clock, fraction, zone = found.groups()
    try:
        since = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}") - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ValueError(f"does not exist: {error}") from None
    return (since.days * 86_400 + since.seconds) * SECOND_US + int((fraction or "")[:6].ljust(6, "0"))


def parse_number(text: str) -> int:
    """Microseconds of a JSON number, cut: seconds below 1e11, milliseconds below 1e14, microseconds below 1e17,
    else nanoseconds. Raises ValueError; its text is worded to follow a field name."""
    if text.isdecimal() and len(text) < 20 and text[0] != "0":
        whole = int(text)
        return _in_range(whole * scale if (scale := _SCALES[len(text)]) else whole // 1000)
    # Cut to 40 digits, of which the first 20 count.
    exact = _CONTEXT.plus(exact_decimal(text))
    if not 0 < exact.adjusted() < 20:
        raise ValueError(_OUT_OF_RANGE)
    shift = next((shift for below, shift in _SHIFTS if exact.adjusted() < below), -3)
    return _in_range(int(exact.scaleb(shift, _CONTEXT)))


def _in_range(us: int) -> int:
    if not EARLIEST_US <= us < LATEST_US:
        raise ValueError(_OUT_OF_RANGE)
    return us


def to_rfc3339(us: int) -> str:
    """RFC 3339 text, exact to the microsecond: `2024-08-08T23:54:15.342000Z`."""
    return f"{_second_text(us // SECOND_US)}.{us % SECOND_US:06d}Z"


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    # Cached, because ticks come by the second, and each is written several times.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
