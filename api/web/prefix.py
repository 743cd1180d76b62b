"""The path prefix (`ROOT_PATH`) under which a reverse proxy serves the API and the dashboard."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class UnderPrefix:
    """An ASGI application around another: it takes `root_path` from the beginning of a path. A path without it is
    passed on as it is, so that it does not matter whether the proxy strips the prefix.

    root_path: such as `/pricing`. The prefix alone is redirected to the prefix with a slash, because the
    dashboard's addresses are relative to that."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root = root_path
        self._raw_root = root_path.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path == self._root and scope["type"] == "http":
            query = scope["query_string"].decode("latin-1")
            target = f"{self._root}/{'?' if query else ''}{query}"
            await RedirectResponse(target, 307)(scope, receive, send)
            return
        if path.startswith(f"{self._root}/"):
            scope = {**scope, "path": path[len(self._root) :]}
            raw_path: bytes = scope.get("raw_path") or b""
            if raw_path.startswith(self._raw_root):
                scope["raw_path"] = raw_path[len(self._raw_root) :]
        await self._app(scope, receive, send)
