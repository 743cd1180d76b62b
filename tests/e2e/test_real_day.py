"""Two days of a real shop through the whole pipeline. A fold checks every row, update and price."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import websockets

from connectors.generators.invoices import read_invoices
from tests.support.compare import assert_matches_fold
from tests.support.pipeline import Pipeline, wait_for

DATA = Path(__file__).parent.parent.parent / "data"
FILES = [DATA / "online-retail-2011-12-05.csv", DATA / "online-retail-2011-12-08.csv"]


def test_a_real_shops_days_come_out_to_the_cent(pipeline: Pipeline) -> None:
    lines = [line for path in FILES for line in read_invoices(path)]
    pipeline.start_api()
    pipeline.start_flow()
    wait_for(pipeline.api_ready)
    frames = asyncio.run(_replay_and_watch(pipeline))

    expected = assert_matches_fold(pipeline)
    sales = sum(line.is_sale and " " not in line.stock_code for line in lines)
    assert len(expected.history) == sales
    assert len(expected.bad) == len(lines) - sales > 100

    # The WebSocket client got every update once, each product in order.
    seen: dict[str, list[tuple[int, float, float | None, float, int]]] = {}
    for frame in frames:
        entry = frame["version"], frame["new_price"], frame["previous_price"], frame["demand"], frame["timestamp"]
        seen.setdefault(frame["product_id"], []).append(entry)
    assert seen == expected.updates

    # All pages of the API together have the same prices.
    cursor = None
    listed: dict[str, tuple[float, float, int]] = {}
    while True:
        page = pipeline.http.get("/prices", params={"limit": 500, **({"cursor": cursor} if cursor else {})}).json()
        listed |= {
            price["product_id"]: (price["price"], price["demand"], price["version"]) for price in page["prices"]
        }
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == expected.latest
    pipeline.stop_flow()
    pipeline.stop_api()


async def _replay_and_watch(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Replay the days while a client listens; returns every frame up to the last update."""
    url = pipeline.url.replace("http", "ws") + "/ws/prices"
    async with websockets.connect(url, max_queue=None) as socket:
        environment = {**os.environ, **pipeline.environment}
        command = ["tools.replay", *map(str, FILES), "--flat-out", "--no-catalogue"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=environment, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert process.returncode == 0, errors
        frames: list[dict[str, Any]] = []
        while True:
            try:
                frames.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
            except TimeoutError:
                return frames
