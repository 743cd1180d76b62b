"""What every request passes before its route: the admin key, the size of its body, and the metrics."""

import hmac
import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import telemetry
from api.errors import error_response

BODY_MAX_BYTES = 64 * 1024
PROTECTED = ("/override", "/history", "/freeze", "/dead-letters")
OPEN = ("/freezes",)
"""Begins like a protected path, and anybody may read it."""


class Guard:
    """ASGI middleware. The key is checked before anything of the request is parsed."""

    def __init__(self, app: ASGIApp, header: str, keys: Sequence[str]) -> None:
        self._app = app
        self._header = header.lower().encode("ascii")
        self._keys = [key.encode("ascii") for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if _is_protected(scope) and not self._has_key(scope):
                refusal = error_response(401, "a valid admin key is needed")
                await refusal(scope, receive, send_counted)
            elif not scope["path"].isprintable():
                # A line break at a path's end would be lost on the way to the route.
                refusal = error_response(400, "the path has characters that are not printable")
                await refusal(scope, receive, send_counted)
            elif _declared_size(scope) > BODY_MAX_BYTES:
                await _too_large(scope, receive, send_counted)
            else:
                await self._app(scope, _Limited(receive), send_counted)
        except _BodyTooLargeError:
            if not status:
                await _too_large(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            telemetry.API_REQUESTS.labels(scope["method"], route, str(status)).inc()
            telemetry.API_LATENCY.labels(route).observe(time.perf_counter() - started)

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == self._header]
        if len(given) != 1:
            return False
        # All of them, whichever fits, so that time tells nothing.
        return any([hmac.compare_digest(given[0], key) for key in self._keys])  # noqa: C419


def _is_protected(scope: Scope) -> bool:
    path: str = scope["path"]
    if not path.startswith(PROTECTED):
        return False
    return not (path in OPEN and scope["method"] in ("GET", "HEAD"))


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    response = error_response(400, f"the body has more than {BODY_MAX_BYTES} bytes")
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _declared_size(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class _BodyTooLargeError(Exception):
    pass


class _Limited:
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > BODY_MAX_BYTES:
            raise _BodyTooLargeError
        return message
