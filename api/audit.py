"""Audit trails out of SQL: newest first, a page at a time."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response

import telemetry
from api.services import services_of
from api.web.cursors import AuditCursor, read_audit_cursor, write_audit_cursor
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX
from api.web.responses import json_response
from sinks.history_store import HistoryReader, PastFreeze, PastOverride, StoreError

DEFAULT_PAGE = 50

log = telemetry.get_logger("api")


def history_of(request: Request) -> HistoryReader:
    """The history database. Raises ApiError (503) where none is configured."""
    history = services_of(request).history
    if history is None:
        raise ApiError(503, "no history database is configured")
    return history


async def answer(
    name: str,
    read: Callable[[int, AuditCursor], Awaitable[Sequence[PastOverride | PastFreeze]]],
    limit: int | None,
    cursor: str | None,
) -> Response:
    """A page of an audit trail under `name`, with the cursor of the next. Raises ApiError."""
    size = min(limit or DEFAULT_PAGE, PAGE_MAX)
    before = read_audit_cursor(cursor)
    try:
        rows = list(await read(size + 1, before))
    except StoreError as error:
        log.warning("the history database does not answer", error=str(error))
        raise ApiError(503, "the history database does not answer") from None
    page = rows[:size]
    shown: list[dict[str, Any]] = [msgspec.structs.asdict(row) for row in page]
    for row in shown:
        del row["place"]
    return json_response(
        {name: shown, "next_cursor": write_audit_cursor(page[-1].place) if len(rows) > size else None}
    )
