"""The history database (SQL), as the routes use it."""

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

import telemetry
from api.services import services_of
from api.web.errors import ApiError
from core.errors import SchemaError, StoreError
from sinks.history.reader import HistoryReader
from sinks.history.schema import refusal

Answer = TypeVar("Answer")

log = telemetry.get_logger("api")


def history_of(request: Request) -> HistoryReader:
    """The history database. Raises ApiError (503) if none is configured."""
    history = services_of(request).history
    if history is None:
        raise ApiError(503, "no history database is configured")
    return history


async def answer_of(query: Awaitable[Answer]) -> Answer:
    """The answer to a query of a HistoryReader. Raises ApiError (503) if the database does not answer, or if its
    tables cannot be used."""
    try:
        return await query
    except SchemaError as error:
        reason = refusal() or str(error)
        log.warning("the history database cannot be used", error=reason)
        raise ApiError(503, f"the history database cannot be used: {reason}") from None
    except StoreError as error:
        log.warning("the history database does not answer", error=str(error))
        raise ApiError(503, "the history database does not answer") from None
