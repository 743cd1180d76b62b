"""The reference of `make bench-read` and `make bench-latency`: the smallest application that serves the same bytes
on the same server and protocols. Run it with `python -m benchmarks.bare PORT [BROKERS TOPIC]`.

`GET /price/...` answers a constant body. `WS /ws/prices` keeps a list of clients, and `GET
/publish?frames=&every_s=` sends each message to one client after the other, as the guides of WebSocket libraries
show it. With a topic, every event on it is answered by a frame with its time."""

import asyncio
import contextlib
import signal
import sys
import threading
from urllib.parse import parse_qs

import msgspec
from confluent_kafka import Consumer, TopicPartition
from starlette.types import Receive, Scope, Send

from api.web.server import listen, serve

BODY = b'{"product_id":"product-0000001","price":523.91,"demand":17.0,"price_source":"dynamic"}'
PAYLOAD_BYTES = 400

_clients: list[Send] = []
_topic: list[str] = sys.argv[2:4] if __name__ == "__main__" else []
"""Brokers and topic."""


class _Event(msgspec.Struct):
    timestamp: int


_decode = msgspec.json.Decoder(_Event).decode


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. Paths are not checked except `/publish`."""
    if scope["type"] == "websocket":
        await _serve_client(receive, send)
    elif scope["type"] == "http":
        if scope["path"] == "/publish":
            query = parse_qs(scope["query_string"].decode())
            await _publish("x" * PAYLOAD_BYTES, int(query["frames"][0]), float(query["every_s"][0]))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(BODY)), (b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": BODY})
    else:
        if _topic:
            loop = asyncio.get_running_loop()
            threading.Thread(target=_answer_events, args=(loop, *_topic), daemon=True).start()
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})


async def _serve_client(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    _clients.append(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _clients.remove(send)


async def _publish(text: str, frames: int, every_s: float) -> None:
    for _ in range(frames):
        for send in _clients:
            await send({"type": "websocket.send", "text": text})
        await asyncio.sleep(every_s)


def _answer_events(loop: asyncio.AbstractEventLoop, brokers: str, topic: str) -> None:
    """Read a topic from its end, and answer each event."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bare", "enable.auto.commit": False})
    assign_from_end(consumer, topic)
    while True:
        messages = consumer.consume(1, 1.0)
        messages += consumer.consume(4096, 0) if messages else []
        values = [message.value() for message in messages if message.error() is None]
        if values:
            asyncio.run_coroutine_threadsafe(_answer(values), loop).result()


def assign_from_end(consumer: Consumer, topic: str) -> None:
    """Have a consumer read all partitions of a topic from their ends."""
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = (consumer.get_watermark_offsets(TopicPartition(topic, index), timeout=10)[1] for index in partitions)
    consumer.assign([TopicPartition(topic, index, end) for index, end in zip(partitions, ends, strict=True)])


async def _answer(values: list[bytes | None]) -> None:
    for value in values:
        text = f'{{"event_time_ms":{_decode(value or b"").timestamp}}}'
        for send in [*_clients]:
            # A client may have gone a moment ago.
            with contextlib.suppress(RuntimeError, OSError):
                await send({"type": "websocket.send", "text": text})


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(app, listen("127.0.0.1", int(sys.argv[1])))
