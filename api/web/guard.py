"""The guard: checks of every HTTP request before its route (admin key, path, size of the body), and its metrics."""

import hmac
import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import telemetry
from api.web.errors import error_response
from core.text import has_controls

BODY_MAX_BYTES = 64 * 1024


class Guard:
    """ASGI middleware. The admin key is checked before anything of the request is parsed.

    header: the name of the header that carries the key. keys: the valid keys, ASCII.
    protected: beginnings of the paths that need a key. open_paths: whole paths that begin like a protected one and
    may be read (GET, HEAD) without a key.

    A request that is refused is answered here, with 401 or 400."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        header: str,
        keys: Sequence[str],
        protected: tuple[str, ...],
        open_paths: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._header = header.lower().encode("ascii")
        self._keys = [key.encode("ascii") for key in keys]
        self._protected = protected
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0
        # Each route that answers GET answers HEAD. The server sends no body then.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._is_protected(scope) and not self._has_key(scope):
                refusal = error_response(401, "a valid admin key is needed")
                await refusal(scope, receive, send_counted)
            elif has_controls(scope["path"]):
                # The router would drop a line break at the end of a path.
                refusal = error_response(400, "the path has control characters or line breaks")
                await refusal(scope, receive, send_counted)
            elif _declared_size(scope) > BODY_MAX_BYTES:
                await _refuse_body(scope, receive, send_counted)
            else:
                await self._app(asked, _LimitedBody(receive), send_counted)
        except _BodyTooLargeError:
            if not status:
                await _refuse_body(scope, receive, send_counted)
        finally:
            route = getattr(asked.get("route"), "path", "none")
            telemetry.API_REQUESTS.labels(scope["method"], route, str(status)).inc()
            telemetry.API_LATENCY.labels(route).observe(time.perf_counter() - started)

    def _is_protected(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if not path.startswith(self._protected):
            return False
        return not (path in self._open_paths and scope["method"] in ("GET", "HEAD"))

    def _has_key(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == self._header]
        if len(given) != 1:
            return False
        # A list, so that every key is compared: the time must not depend on which key is right.
        return any([hmac.compare_digest(given[0], key) for key in self._keys])  # noqa: C419


async def _refuse_body(scope: Scope, receive: Receive, send: Send) -> None:
    response = error_response(400, f"the body has more than {BODY_MAX_BYTES} bytes")
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _declared_size(scope: Scope) -> int:
    """The Content-Length in bytes; 0 if there is none, or if it is not a number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class _BodyTooLargeError(Exception):
    """The parts of a body received so far have more than BODY_MAX_BYTES together."""


class _LimitedBody:
    """A `receive` that raises _BodyTooLargeError once a body is too large. One for each request."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > BODY_MAX_BYTES:
            raise _BodyTooLargeError
        return message
