"""Answers of the history database (SQL), as the routes of all systems use them."""

from collections.abc import Awaitable
from typing import TypeVar

import telemetry
from api.web.errors import ApiError
from core.errors import SchemaError, StoreError
from sinks.history.schema import refusal

Answer = TypeVar("Answer")

NOT_CONFIGURED = "no history database is configured"

log = telemetry.get_logger("api")


async def answer_of(query: Awaitable[Answer]) -> Answer:
    """The answer to a query of a reader of history. Raises ApiError (503) if the database does not answer, or if
    its tables cannot be used."""
    try:
        return await query
    except SchemaError as error:
        reason = refusal() or str(error)
        log.warning("the history database cannot be used", error=reason)
        raise ApiError(503, f"the history database cannot be used: {reason}") from None
    except StoreError as error:
        log.warning("the history database does not answer", error=str(error))
        raise ApiError(503, "the history database does not answer") from None
