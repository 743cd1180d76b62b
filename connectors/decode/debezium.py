"""Debezium's envelope: the row of a change, out of the message that Kafka Connect writes, with `schema` or without.
Pure."""

from typing import Any

import msgspec

from connectors.decode.wire import load_object
from core.dead_letter import ErrorCode
from core.errors import BadInputError

OPERATIONS = frozenset("curd")
"""Create, update, read (of the snapshot), delete."""


class Change(msgspec.Struct, frozen=True):
    """A change of a row. row: after it; before it if it is deleted, perhaps only its key. lsn: its position in the
    database; None if the connector does not say it."""

    row: dict[str, Any]
    deleted: bool
    lsn: int | None


def open_envelope(value: bytes) -> Change | None:
    """The change of a message; None if it is no envelope. Raises BadInputError for an envelope without a row."""
    if b'"op"' not in value:
        return None
    document = load_object(value)
    payload = document.get("payload")
    if not isinstance(payload, dict):
        payload = document
    if payload.get("op") not in OPERATIONS or not {"before", "after"} & payload.keys():
        return None
    deleted = payload["op"] == "d"
    row = payload.get("before" if deleted else "after")
    if not isinstance(row, dict):
        raise BadInputError(
            ErrorCode.MISSING_FIELD, f"{'before' if deleted else 'after'} is missing in the envelope"
        )
    source = payload.get("source")
    lsn = source.get("lsn") if isinstance(source, dict) else None
    return Change(row, deleted, lsn if isinstance(lsn, int) else None)


def key_field(key: bytes | None, name: str) -> Any:
    """A field of a JSON key, with `schema` or without; None if the key is not JSON or does not have it."""
    try:
        document = load_object(key or b"")
    except BadInputError:
        return None
    payload = document.get("payload")
    return (payload if isinstance(payload, dict) else document).get(name)
