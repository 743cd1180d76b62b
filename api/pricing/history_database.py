"""The history of prices (SQL), as the routes use it."""

from fastapi import Request

from api.services import services_of
from api.web.databases import NOT_CONFIGURED
from api.web.errors import ApiError
from sinks.history.reader import HistoryReader


def history_of(request: Request) -> HistoryReader:
    """The history database. Raises ApiError (503) if none is configured."""
    history = services_of(request).history
    if history is None:
        raise ApiError(503, NOT_CONFIGURED)
    return history
