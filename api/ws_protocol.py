"""uvicorn's WebSocket protocol, with a way past ASGI for frames that many clients get: they are encoded once.

A message through ASGI is wrapped, checked and encoded again for every client; for ten thousand clients that is most
of the work."""

import struct
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

EXTENSION = "pricewax.line"
"""The key of a `Line` in the ASGI scope's extensions."""

FINAL_TEXT = 0x81


def text_frame(payload: bytes) -> bytes:
    """A whole text message as a server sends it: RFC 6455, section 5.2, without a mask. `payload` is UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((FINAL_TEXT, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", FINAL_TEXT, 126, size) + payload
    return struct.pack("!BBQ", FINAL_TEXT, 127, size) + payload


class Line:
    """A client's connection, once the handshake is over."""

    def __init__(self, protocol: "FanOutProtocol") -> None:
        self._protocol = protocol

    @property
    def free(self) -> bool:
        """Whether the client has taken what was written, but for what fits into the transport's buffer."""
        return self._protocol.writable.is_set()

    def write(self, frames: bytes) -> None:
        """Frames of `text_frame`, one after the other. Raises WebSocketDisconnect where the client is gone."""
        protocol = self._protocol
        if protocol.disconnected or protocol.close_sent or protocol.transport.is_closing():
            raise WebSocketDisconnect(1006)
        protocol.transport.write(frames)

    async def wait(self) -> None:
        """Until it is free, or gone."""
        await self._protocol.writable.wait()


class FanOutProtocol(WebSocketsSansIOProtocol):
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = Line(self)


def line_of(websocket: WebSocket) -> Line:
    line: Line = websocket.scope["extensions"][EXTENSION]
    return line
