"""The server under the API: uvicorn, with the protocols and limits of this package."""

import gc
import logging
import os
import resource
import socket
import threading
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

import telemetry
from api.live.frames import FanOutProtocol
from api.web.http_protocol import LimitedHttpProtocol

STOP_WITHIN_S = 5
"""Seconds after a signal in which requests may still be answered."""

END_HARD_S = 8.0
"""Seconds after a signal after which the process ends, whatever still runs."""

TERMINATED = 143
BACKLOG_CONNECTIONS = 2048
FILES_MAX = 65_536
KEEP_ALIVE_S = 75
"""Seconds for which an idle connection stays open: longer than balancers and HTTP clients keep theirs (60 s at most
by default), so that none sends a request on a connection that is being closed."""

PING_S = 10.0
"""Seconds between two pings of a WebSocket client, and seconds in which it must answer one."""

WS_MESSAGE_MAX_BYTES = 64 * 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises OSError if the address or the port cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG_CONNECTIONS)
    return listener


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then finish requests within STOP_WITHIN_S, and end within END_HARD_S."""
    _raise_file_limit()
    # All objects made until now live as long as the process, so the collector need not look at them again.
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
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_not_a_clients_fault)
    _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, with a limit on the time that a stop may take."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            timer = threading.Timer(END_HARD_S, _end_hard)
            timer.daemon = True
            timer.start()
        super().handle_exit(sig, frame)


def _end_hard() -> None:
    # The API has no state, so nothing is lost.
    telemetry.get_logger("api").warning("not stopped in time; ending hard")
    os._exit(TERMINATED)


def _raise_file_limit() -> None:
    """Raise the limit of open files: every client is one, and the usual limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_not_a_clients_fault(record: logging.LogRecord) -> bool:
    """A filter for uvicorn's log. uvicorn logs every refused WebSocket as an error of the application, and a
    traceback for every text that is not UTF-8, so that clients could fill the log."""
    message = record.getMessage()
    return not any(part in message for part in ("without completing handshake", "Invalid UTF-8", "Invalid HTTP"))
