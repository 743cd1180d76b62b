"""Work pools: threads for calls that block, a pool for each kind of work, so that no kind waits for another."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from core.errors import BusyError, NotAnsweredError

Result = TypeVar("Result")


class _Job(msgspec.Struct, Generic[Result]):
    """A call that waits for a thread, and the future that takes its result. until_s: the time on the monotonic
    clock, in seconds, after which its caller does not wait any more."""

    call: Callable[[], Result]
    future: "asyncio.Future[Result]"
    loop: asyncio.AbstractEventLoop
    until_s: float


class WorkPool:
    """Daemon threads that make blocking calls of one kind. `run` belongs to the event loop's thread.

    The event loop's own pool is not used: all kinds share it, and the end of the process waits for its threads.

    name: of the threads. threads: calls at the same time. waiting_max: calls that may wait for a thread. within_s:
    the longest time for which a caller waits. The call itself must end on its own some time; until then it has its
    thread, also after its caller was answered."""

    def __init__(self, name: str, *, threads: int, waiting_max: int, within_s: float) -> None:
        self.within_s = within_s
        self._name = name
        self._threads_max = threads
        self._jobs_max = threads + waiting_max
        self._jobs = 0
        self._threads = 0
        self._queue: queue.SimpleQueue[_Job[Any]] = queue.SimpleQueue()

    async def run(self, call: Callable[[], Result]) -> Result:
        """The result of a call, or its error. Raises BusyError at once if `waiting_max` calls wait already, and
        NotAnsweredError after `within_s`."""
        if self._jobs >= self._jobs_max:
            raise BusyError("too many requests of this kind wait already")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs += 1
        if self._threads < min(self._threads_max, self._jobs):
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._queue.put(_Job(call, future, loop, time.monotonic() + self.within_s))
        try:
            async with asyncio.timeout(self.within_s):
                return await future
        except TimeoutError:
            raise NotAnsweredError("no answer in time") from None

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            result, error = None, None
            if time.monotonic() < job.until_s:
                try:
                    result = job.call()
                except Exception as raised:
                    error = raised
            try:
                job.loop.call_soon_threadsafe(self._settle, job, result, error)
            except RuntimeError:
                # The event loop has ended, and the process ends with it.
                return

    def _settle(self, job: _Job[Any], result: Any, error: Exception | None) -> None:
        self._jobs -= 1
        if job.future.done():
            return
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
