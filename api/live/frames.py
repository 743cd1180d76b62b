"""WebSocket frames: encoded once, and written to many clients past ASGI.

A message through ASGI is wrapped, checked and encoded for every client; with ten thousand clients, that is most of
the work. uvicorn's WebSocket protocol therefore offers a connection here that takes encoded frames."""

import struct
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "pricewax.push"
"""The key of a `PushConnection` in the ASGI scope's extensions."""

FINAL_TEXT = 0x81


def text_frame(payload: bytes) -> bytes:
    """A text message as one frame, as a server sends it: RFC 6455, section 5.2, without a mask. `payload` is
    UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((FINAL_TEXT, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", FINAL_TEXT, 126, size) + payload
    return struct.pack("!BBQ", FINAL_TEXT, 127, size) + payload


def payload_of(frame: bytes) -> bytes:
    """The payload of a frame of `text_frame`."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


class PushConnection:
    """A client's connection after its handshake, for frames that are encoded already. Belongs to the event loop's
    thread. Used by `Client` and by the session that serves it.

    free: the client has read all frames but those that fit into the transport's buffer."""

    # As in `Client`.
    __slots__ = ("_protocol", "_transport", "free")

    def __init__(self, protocol: "FanOutProtocol") -> None:
        self.free = True
        self._protocol = protocol
        self._transport = protocol.transport

    def write(self, frames: bytes) -> None:
        """Write frames of `text_frame`, one after the other. Raises WebSocketDisconnect if the client is gone."""
        protocol = self._protocol
        if protocol.disconnected or protocol.close_sent or self._transport.is_closing():
            raise WebSocketDisconnect(1006)
        self._transport.write(frames)

    async def wait(self) -> None:
        """Wait until the connection is free, or the client is gone."""
        await self._protocol.writable.wait()


class FanOutProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol. It adds a `PushConnection` to the ASGI scope."""

    _push: PushConnection | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self._push = PushConnection(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._push is not None:
            self._push.free = False

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._push is not None:
            self._push.free = True


def push_connection_of(websocket: WebSocket) -> PushConnection:
    """The connection of a client of this server."""
    connection: PushConnection = websocket.scope["extensions"][EXTENSION]
    return connection
