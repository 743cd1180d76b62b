"""Times in queries of the market: to the microsecond."""

from api.web.errors import ApiError
from market.moments import EARLIEST_US, LATEST_US, parse_any_text
from sinks.history.market_reader import Range


def parse_range(since: str | None, until: str | None) -> Range:
    """The range of `from` (inclusive) and `to` (exclusive), RFC 3339; None is no limit. Raises ApiError (400)."""
    since_us = EARLIEST_US if since is None else _parse("from", since)
    until_us = LATEST_US if until is None else _parse("to", until)
    return Range(since_us, until_us)


def _parse(parameter: str, text: str) -> int:
    try:
        # The plus sign of a time zone arrives as a space, if the client did not encode it.
        us = parse_any_text(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except ValueError as error:
        raise ApiError(400, f"{parameter} {error}") from None
    # No tick is outside of these.
    return min(max(us, EARLIEST_US), LATEST_US)
