"""Audit trails out of SQL: newest first, a page at a time."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response

import telemetry
from api.errors import ApiError
from api.models import PAGE_MAX
from api.prices import json_response
from api.services import services_of
from core.errors import StoreError
from core.timestamps import LATEST_MS
from sinks.history.reader import AuditCursor, HistoryReader, PastFreeze, PastOverride

DEFAULT_PAGE = 50
NEWEST = AuditCursor(LATEST_MS, 0, 0)

log = telemetry.get_logger("api")
_encode = msgspec.json.Encoder().encode
_decode_pointer = msgspec.json.Decoder(tuple[int, int, int]).decode


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
    place = NEWEST if cursor is None else _read_cursor(cursor)
    try:
        rows = list(await read(size + 1, place))
    except StoreError as error:
        log.warning("the history database does not answer", error=str(error))
        raise ApiError(503, "the history database does not answer") from None
    page = rows[:size]
    shown: list[dict[str, Any]] = [msgspec.structs.asdict(row) for row in page]
    for row in shown:
        del row["cursor"]
    return json_response({name: shown, "next_cursor": _write_cursor(page[-1].cursor) if len(rows) > size else None})


def _write_cursor(place: AuditCursor) -> str:
    packed = _encode((place.at_ms, place.partition, place.offset))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _read_cursor(cursor: str) -> AuditCursor:
    try:
        place = AuditCursor(
            *_decode_pointer(base64.urlsafe_b64decode(cursor[:200] + "=" * (-len(cursor[:200]) % 4)))
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise ApiError(400, "cursor takes the next_cursor of an earlier page") from None
    if not (0 <= place.at_ms <= LATEST_MS and 0 <= place.partition < 2**31 and 0 <= place.offset < 2**63):
        raise ApiError(400, "cursor takes the next_cursor of an earlier page")
    return place
