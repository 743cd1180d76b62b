"""The dashboard: files that `make setup` builds, and one page for all of its addresses."""

import functools
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

BUILT = Path(__file__).parent.parent / "dashboard" / "dist"
PAGES = ("/", "/product/{product_id:path}", "/interventions", "/system")
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NOT_BUILT = (
    "<!doctype html><title>Pricewax</title><p>The dashboard is not built here: run <code>make setup</code>."
    " The API is described on <a href='/docs'>/docs</a>."
)


def install(app: FastAPI, built: Path = BUILT) -> None:
    """Serve the dashboard. built: the folder of its files; if it has none, the page says how to build them."""
    router = APIRouter(include_in_schema=False)
    for path in PAGES:
        router.add_api_route(path, functools.partial(_page, built), methods=["GET", "HEAD"])
    app.include_router(router)
    if (built / "assets").is_dir():
        app.mount("/assets", GZipMiddleware(_ImmutableFiles(directory=built / "assets"), minimum_size=500))


class _ImmutableFiles(StaticFiles):
    """Static files that browsers keep for a year: their names contain a hash of the content."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response: Response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


async def _page(built: Path) -> Response:
    page = built / "index.html"
    if not page.is_file():
        return HTMLResponse(NOT_BUILT, headers=HEADERS)
    return FileResponse(page, headers=HEADERS)
