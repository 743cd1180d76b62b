"""Event times: parsed from seconds, milliseconds or RFC 3339, kept as UTC milliseconds."""

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

MILLISECONDS_FROM = 10**12
"""A number from this one up is in milliseconds since the epoch, a smaller one in seconds."""

EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z, inclusive."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01T00:00:00Z, exclusive."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


DAY_MS = 86_400_000


def parse_timestamp(value: float | str) -> int:
    """UTC milliseconds of a timestamp in seconds, milliseconds or RFC 3339.

    Raises ValueError if a text is not RFC 3339, or if the time is not from 2000 (inclusive) to 2100 (exclusive).
    The error's text is worded to follow a field name."""
    if isinstance(value, str):
        ms = parse_rfc3339(value)
    elif value >= MILLISECONDS_FROM:
        if value >= LATEST_MS:
            raise ValueError("is not between the years 2000 and 2100")
        ms = math.floor(value)
    elif EARLIEST_MS <= value * 1000 < LATEST_MS:
        # Rounded before the floor, because 1323074280.123 * 1000 is slightly below ...280123.
        ms = value * 1000 if isinstance(value, int) else math.floor(round(value * 1000, 3))
    else:
        raise ValueError("is not between the years 2000 and 2100")
    if not EARLIEST_MS <= ms < LATEST_MS:
        raise ValueError("is not between the years 2000 and 2100")
    return ms


@lru_cache(maxsize=4096)
def parse_rfc3339(text: str) -> int:
    """UTC milliseconds of an RFC 3339 text, of any year. Raises ValueError; its text is worded to follow a field
    name."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("is not RFC 3339, such as 2011-12-05T08:38:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())
        since = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ValueError(f"does not exist: {error}") from None
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def to_rfc3339(ms: int) -> str:
    """RFC 3339 text of UTC milliseconds, such as `2011-12-05T08:38:00.000Z`."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
