"""The server under the API: uvicorn, with our protocols and limits."""

import gc
import logging
import resource
import socket

import uvicorn
from starlette.types import ASGIApp

from api.http_protocol import LimitedHttpProtocol
from api.ws_protocol import FanOutProtocol

STOP_WITHIN_S = 5
FILES_MAX = 65_536
PING_S = 10.0
"""A WebSocket client that has not answered a ping for so long is gone."""

WS_MESSAGE_MAX_BYTES = 64 * 1024


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError where the port is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until a signal asks to stop."""
    _raise_file_limit()
    # What is there by now stays; looking through it for garbage, again and again, is work for nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    config = uvicorn.Config(
        app,
        http=LimitedHttpProtocol,
        loop="uvloop",
        ws=FanOutProtocol,
        ws_max_size=WS_MESSAGE_MAX_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    uvicorn.Server(config).run(sockets=[listener])


def _raise_file_limit() -> None:
    """Every client is an open file, and the usual limit of 1,024 is not many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_ours(record: logging.LogRecord) -> bool:
    """uvicorn calls every refused WebSocket an error of the application, and logs a traceback for every text that
    is not UTF-8: clients could fill the log."""
    message = record.getMessage()
    return not any(part in message for part in ("without completing handshake", "Invalid UTF-8", "Invalid HTTP"))
