"""Audit trails: overrides and freezes that were ever set, from SQL, newest first, a page at a time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from fastapi.responses import Response

from api.web.cursors import read_audit_cursor, write_audit_cursor
from api.web.databases import answer_of
from api.web.requests import PAGE_MAX
from api.web.responses import json_response
from sinks.history.reader import AuditCursor, PastFreeze, PastOverride

DEFAULT_PAGE = 50

ReadPage = Callable[[int, AuditCursor], Awaitable[Sequence[PastOverride | PastFreeze]]]
"""A query. In: the largest number of rows, and the cursor that they come after. Out: rows, newest first."""


async def audit_page(name: str, read: ReadPage, *, limit: int | None, cursor: str | None) -> Response:
    """The answer `{name: [row, ...], "next_cursor": ...}` with at most `limit` rows after `cursor`. Raises
    ApiError: 400 for a malformed cursor, 503 if the database does not answer."""
    size = min(limit or DEFAULT_PAGE, PAGE_MAX)
    # One row more than a page: if it is there, there is a next page.
    rows = await answer_of(read(size + 1, read_audit_cursor(cursor)))
    page = rows[:size]
    shown: list[dict[str, Any]] = [msgspec.structs.asdict(row) for row in page]
    for row in shown:
        del row["cursor"]
    next_cursor = write_audit_cursor(page[-1].cursor) if len(rows) > size else None
    return json_response({name: shown, "next_cursor": next_cursor})
