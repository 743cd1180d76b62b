"""Work pools: a call that never ends holds up its own kind only, and no caller for longer than the pool's limit."""

import asyncio
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from api.web.work import WorkPool
from core.errors import BusyError, NotAnsweredError

ROOT = Path(__file__).parents[4]

STUCK = """
import asyncio, threading
from api.web.work import WorkPool
from core.errors import NotAnsweredError

async def main():
    try:
        await WorkPool("stuck", threads=1, waiting_max=1, within_s=0.1).run(threading.Event().wait)
    except NotAnsweredError:
        print("ended")

asyncio.run(main())
"""


def test_a_call_gives_its_result_or_its_error() -> None:
    async def scenario() -> None:
        pool = WorkPool("test", threads=2, waiting_max=2, within_s=5)
        assert await asyncio.gather(*(pool.run(partial(str, number)) for number in range(4))) == list("0123")
        with pytest.raises(ValueError, match="none"):
            await pool.run(partial(int, "none"))

    asyncio.run(scenario())


def test_callers_of_a_stuck_server_are_answered_in_time_and_more_of_them_at_once() -> None:
    release = threading.Event()

    async def scenario() -> None:
        pool = WorkPool("test", threads=2, waiting_max=2, within_s=0.3)
        began = time.monotonic()
        answers = await asyncio.gather(*(pool.run(release.wait) for _ in range(10)), return_exceptions=True)
        assert [type(each) for each in answers] == [NotAnsweredError] * 4 + [BusyError] * 6
        assert time.monotonic() - began < 5
        # Another kind of work is not concerned.
        assert await WorkPool("other", threads=1, waiting_max=0, within_s=5).run(lambda: "answer") == "answer"
        release.set()
        # Once the calls have ended, the pool takes work again. Work whose caller has gone is not done.
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await pool.run(lambda: "again") == "again"
                    break
                except BusyError:
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_the_process_ends_although_a_call_is_stuck() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
