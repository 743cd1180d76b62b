"""uvicorn's HTTP protocol with three limits: the size of a request's head, the time in which a client must have
sent its request, and the number of idle connections. Without them, a few thousand clients that send one byte every
few seconds, or one request and no other, hold all connections."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAX_BYTES = 32 * 1024
REQUEST_WITHIN_S = 10.0
IDLE_CONNECTIONS_MAX = 1_000
"""Connections that wait for a further request. Beyond it, the one that waits longest is closed."""

_idle: "dict[LimitedHttpProtocol, None]" = {}
"""The idle connections, the one that waits longest first. Used in the event loop's thread."""


class HeadTooLargeError(Exception):
    """The head of a request has more than HEAD_MAX_BYTES. The HTTP parser turns it into a call of
    `send_400_response`."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """One HTTP connection. uvicorn makes it and calls it in the event loop's thread.

    A request that is too slow is answered with 408, one whose head is too large with 431, and bytes that are not
    HTTP with 400; then the connection is closed."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        _idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        _idle.pop(self, None)
        super().data_received(data)
        # The parser does not report a header before its end, so its bytes are counted here.
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._start_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_MAX_BYTES:
            raise HeadTooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # The timer is set only if no further request has come yet.
        if self.timeout_keep_alive_task is None or self.transport.is_closing():
            return
        _idle[self] = None
        if len(_idle) > IDLE_CONNECTIONS_MAX:
            longest = next(iter(_idle))
            del _idle[longest]
            longest.transport.close()

    def handle_websocket_upgrade(self) -> None:
        self._stop_clock()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        too_large = self._head_bytes > HEAD_MAX_BYTES
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST, msg)

    def _start_clock(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(REQUEST_WITHIN_S, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus, message: str | None = None) -> None:
        """Answer, if no other answer has begun, and close."""
        self._stop_clock()
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not answering:
            content: dict[str, Any] = {"error": message or status.phrase.lower()}
            body = msgspec.json.encode(content)
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + body)
        self.transport.close()
