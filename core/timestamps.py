"""Event times as they arrive (seconds, milliseconds, RFC 3339) and as we keep them: UTC milliseconds."""

import math
import re
from datetime import UTC, datetime

MILLISECONDS_FROM = 10**12
"""Numbers from here up are milliseconds, below it seconds, since the epoch."""

EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z, inclusive."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01T00:00:00Z, exclusive."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


DAY_MS = 86_400_000


def parse_timestamp(value: float | str) -> int:
    """UTC milliseconds of a timestamp in any of the three forms.

    Raises ValueError, worded to follow a field name, where text is not RFC 3339 or the time is outside
    2000 (inclusive) to 2100 (exclusive).
    """
    if isinstance(value, str):
        ms = parse_rfc3339(value)
    elif value >= MILLISECONDS_FROM:
        if value >= LATEST_MS:
            raise ValueError("is not between the years 2000 and 2100")
        ms = math.floor(value)
    elif EARLIEST_MS <= value * 1000 < LATEST_MS:
        # Three more decimals before the floor: 1323074280.123 * 1000 is a hair below ...280123.
        ms = value * 1000 if isinstance(value, int) else math.floor(round(value * 1000, 3))
    else:
        raise ValueError("is not between the years 2000 and 2100")
    if not EARLIEST_MS <= ms < LATEST_MS:
        raise ValueError("is not between the years 2000 and 2100")
    return ms


def parse_rfc3339(text: str) -> int:
    """UTC milliseconds, of any year. Raises ValueError, worded to follow a field name."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("is not RFC 3339, such as 2011-12-05T08:38:00Z")
    try:
        moment = datetime.fromisoformat(text.upper())
        since = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ValueError(f"does not exist: {error}") from None
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def to_rfc3339(ms: int) -> str:
    """`2011-12-05T08:38:00.000Z` for UTC milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
