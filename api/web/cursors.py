"""Cursors: the `next_cursor` of a page, which a client returns for the next one. Base64url without padding."""

import base64
import re
from typing import Annotated, Any

import msgspec
from fastapi import Query

from api.web.errors import ApiError
from core.identifiers import is_identifier
from core.timestamps import LATEST_MS
from sinks.history.reader import NEWEST, AuditCursor
from sinks.redis.calls import Listing

CURSOR_MAX_CHARS = 200

IdCursorQuery = Annotated[
    str | None, Query(description="`next_cursor` of the page before.", json_schema_extra={"format": "cursor"})
]
TextCursorQuery = IdCursorQuery
AuditCursorQuery = Annotated[
    str | None,
    Query(
        max_length=CURSOR_MAX_CHARS,
        description="`next_cursor` of the page before.",
        json_schema_extra={"format": "audit-cursor"},
    ),
]

_encode = msgspec.json.Encoder().encode
_decode_audit = msgspec.json.Decoder(tuple[int, int, int]).decode


def write_id_cursor(last_id: str) -> str:
    """The cursor of a page that ends with `last_id`, for pages in the order of ids."""
    return _to_base64(last_id.encode())


def read_id_cursor(cursor: str | None) -> str | None:
    """The id that the last page ended with; None for the first page. Raises ApiError (400)."""
    if cursor is None:
        return None
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", cursor):
            raise ValueError
        last_id = _from_base64(cursor).decode("ascii")
        if not is_identifier(last_id):
            raise ValueError
    except ValueError:
        raise _not_a_cursor() from None
    return last_id


def write_text_cursor(last: str) -> str:
    """The cursor of a page that ends with the text `last`, for pages in the order of texts."""
    return _to_base64(last.encode())


def read_text_cursor(cursor: str | None) -> str:
    """The text that the last page ended with; empty for the first page. Raises ApiError (400)."""
    if cursor is None:
        return ""
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,4000}", cursor):
            raise ValueError
        return _from_base64(cursor).decode()
    except ValueError:
        raise _not_a_cursor() from None


def listed(name: str, found: Listing[Any]) -> dict[str, Any]:
    """The answer `{name: rows}`, with `next_cursor` if there are more."""
    if found.after is None:
        return {name: found.rows}
    return {name: found.rows, "next_cursor": write_text_cursor(found.after)}


def write_audit_cursor(last: AuditCursor) -> str:
    """The cursor of a page of an audit trail that ends with the row `last`."""
    return _to_base64(_encode((last.at_ms, last.partition, last.offset)))


def read_audit_cursor(cursor: str | None) -> AuditCursor:
    """The row that the last page ended with; NEWEST for the first page. Raises ApiError (400)."""
    if cursor is None:
        return NEWEST
    try:
        last = AuditCursor(*_decode_audit(_from_base64(cursor[:CURSOR_MAX_CHARS])))
    except (ValueError, msgspec.MsgspecError):
        raise _not_a_cursor() from None
    if not (0 <= last.at_ms <= LATEST_MS and 0 <= last.partition < 2**31 and 0 <= last.offset < 2**63):
        raise _not_a_cursor()
    return last


def _to_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    """Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _not_a_cursor() -> ApiError:
    return ApiError(400, "cursor takes the next_cursor of an earlier page")
