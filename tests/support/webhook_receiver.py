"""A receiver of webhooks: a real HTTP server on a free port of loopback, with answers that the test chooses."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

Answer = Callable[["Received"], Awaitable[web.Response] | web.Response]


class Received(msgspec.Struct, frozen=True):
    """A request. id: its webhook-id. at_s: on the clock of the event loop."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """The server. `received` has all requests in order; `answer` makes the answers, 204 if it is None."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self._changed = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app, host="127.0.0.1")

    async def __aenter__(self) -> "Receiver":
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def url(self, path: str = "/hook?token=hidden", host: str = "127.0.0.1") -> str:
        """The URL of a path."""
        return f"http://{host}:{self._server.port}{path}"

    def ids(self) -> list[str]:
        """The webhook-id of each request."""
        return [each.id for each in self.received]

    async def wait(self, is_enough: Callable[[], bool], within_s: float = 40.0) -> None:
        """Wait until a condition holds, which is looked at after each request."""
        async with asyncio.timeout(within_s):
            while not is_enough():
                self._changed.clear()
                await self._changed.wait()

    async def _handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        now_s = asyncio.get_running_loop().time()
        received = Received(request.path_qs, headers, await request.read(), now_s)
        self.received.append(received)
        self._changed.set()
        answer = web.Response(status=204) if self.answer is None else self.answer(received)
        return answer if isinstance(answer, web.Response) else await answer
