"""`python -m api`: serve the API as the environment configures it."""

import logging
import resource
import signal
import socket
import sys

import uvicorn

import telemetry
from api.app import create_app
from api.http_protocol import LimitedHttpProtocol
from api.services import make_services
from settings import Settings, SettingsError, exit_bad_setting, load_settings

STOP_WITHIN_S = 5
FILES_MAX = 65_536
PING_S = 10.0
"""A WebSocket client that has not answered a ping for so long is gone."""

WS_MESSAGE_MAX_BYTES = 64 * 1024


def main() -> None:
    try:
        settings = load_settings()
        if settings.admin_api_key is None:
            description = Settings.model_fields["admin_api_key"].description
            raise SettingsError(f"ADMIN_API_KEY must be set; it takes {description}")
        policy = settings.load_policy()
    except SettingsError as error:
        exit_bad_setting(error)
    telemetry.configure_logging(settings.log_level, settings.log_format)
    try:
        listener = _listen(settings.api_host, settings.api_port)
    except OSError as error:
        print(f"pricewax: API_PORT {settings.api_port} cannot be used: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    _raise_file_limit()
    telemetry.get_logger("api").info("API starts", **settings.masked())
    app = create_app(make_services(settings, policy), settings.api_key_header, settings.admin_keys)
    config = uvicorn.Config(
        app,
        http=LimitedHttpProtocol,
        loop="uvloop",
        ws="websockets-sansio",
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
    # Until uvicorn takes the signals, and when it has stopped and raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


if __name__ == "__main__":
    main()
