"""The dashboard: files that `make setup` builds, and one page for all of its addresses.

The head of the page has two facts for it: the way from its own address to the root of the API, and the name of the
header for the admin key. The way is relative, so that the dashboard works under any path prefix of a proxy."""

import html
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).parent.parent / "dashboard" / "dist"
PAGES = (
    *("/", "/product/{product_id:path}", "/interventions", "/stock", "/earned", "/what-if", "/system"),
    *("/market", "/market/inbox", "/market/symbol/{symbol:path}"),
)
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NOT_BUILT = (
    "<!doctype html><title>Pricewax</title><p>The dashboard is not built here: run <code>make setup</code>."
    " The API is described on <a href='./docs'>/docs</a>."
)
ROOT = '<meta name="pricewax-root" content="/" />'
"""The line of the built page that names the root of the API."""

KEY_HEADER = '<meta name="pricewax-key-header" content="X-API-Key" />'
"""The line of the built page that names the header for the admin key."""


def install(app: FastAPI, header: str, built: Path = BUILT) -> None:
    """Serve the dashboard. header: the name of the header for the admin key. built: the folder of its files; if it
    has none, the page says how to build them."""
    router = APIRouter(include_in_schema=False)

    async def page(request: Request) -> Response:
        raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        return HTMLResponse(_page(built, _way_to_root(raw_path), header), headers=HEADERS)

    for path in PAGES:
        router.add_api_route(path, page, methods=["GET"])
    app.include_router(router)
    if (built / "assets").is_dir():
        app.mount("/assets", GZipMiddleware(_ImmutableFiles(directory=built / "assets"), minimum_size=500))


class _ImmutableFiles(StaticFiles):
    """Static files that browsers keep for a year: their names contain a hash of the content."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _way_to_root(raw_path: bytes) -> str:
    """The relative address of the API's root from a path: `./` from `/system`, `../` from `/product/A`."""
    return "../" * (raw_path.count(b"/") - 1) or "./"


def _page(built: Path, root: str, header: str) -> str:
    page = built / "index.html"
    if not page.is_file():
        return NOT_BUILT.replace("./", root)
    return (
        page.read_text(encoding="utf-8")
        .replace('"./assets/', f'"{root}assets/')
        .replace(ROOT, ROOT.replace('"/"', f'"{root}"'))
        .replace(KEY_HEADER, KEY_HEADER.replace("X-API-Key", html.escape(header)))
    )
