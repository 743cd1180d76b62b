"""Symbols in paths and queries. A symbol may hold a slash, so a path is read before it is decoded."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from api.web.errors import ApiError
from market.ticks import SYMBOL_TAKES, is_symbol

PREFIX = "/market/"

SLASH = "\u2215"
"""In place of a slash that is part of a symbol, while a path is routed."""

_OTHER = "\ufffd"
"""In place of `SLASH` in a path, so that it does not pass for a slash. No symbol has it."""


class EncodedSlashes:
    """An ASGI application around another: in paths under `/market/`, a percent-encoded slash does not separate.
    Behind a proxy that decodes it, a path is routed as it comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            raw: str = (scope.get("raw_path") or b"").decode("latin-1")
            if "%2f" in raw.lower() or SLASH in scope["path"]:
                parts = (
                    unquote(part).replace(SLASH, _OTHER).replace("/", SLASH)
                    for part in raw.split("?")[0].split("/")
                )
                scope = {**scope, "path": "/".join(parts)}
        await self._app(scope, receive, send)


def check_symbol(text: str) -> str:
    """The symbol of a path or a query. Raises ApiError (400)."""
    symbol = text.replace(SLASH, "/")
    if not is_symbol(symbol):
        raise ApiError(400, SYMBOL_TAKES)
    return symbol
