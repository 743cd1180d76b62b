"""Errors of the API. Every error is answered as `{"error": "..."}`: a malformed request with 400, a failure of the
API or of a service behind it with 503, never with 422 or 500."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

import telemetry
from core.errors import RedisDownError

log = telemetry.get_logger("api")

_PHRASES = {404: "no such resource", 405: "method not allowed"}


class ApiError(HTTPException):
    """A refusal of a request. Routes and the functions below them raise it; the client receives `status` and
    `message`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)


def error_response(status: int, message: str) -> Response:
    """The answer for an error. With status 503 it asks the client to try again after a second."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return Response(msgspec.json.encode({"error": message}), status, headers=headers, media_type="application/json")


def describe(problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems as one line, without the value: it may be a secret in the wrong field."""
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def install(app: FastAPI) -> None:
    """Register the handlers that turn every exception into an answer of the form above."""

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> Response:
        named = isinstance(error, ApiError)
        response = error_response(
            error.status_code, error.detail if named else _PHRASES.get(error.status_code, str(error.detail))
        )
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        # The first part of `loc` is the part of the request: path, query or body.
        return error_response(400, describe({**first, "loc": first["loc"][1:]}))

    @app.exception_handler(RedisDownError)
    async def on_redis_down(_request: Request, error: RedisDownError) -> Response:
        log.warning("Redis does not answer", error=str(error))
        return error_response(503, "the price store does not answer")

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("unexpected error", path=request.url.path, error=repr(error))
        return error_response(503, "temporarily unavailable")
