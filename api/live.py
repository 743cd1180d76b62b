"""`/ws/prices`: every update of the products a client watches, as they happen."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine

import msgspec
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

import telemetry
from api.hub import Client, Update
from api.services import Services, services_of
from api.web.errors import ApiError, error_response
from api.web.requests import PAGE_MAX, parse_ids
from api.ws_protocol import Line, line_of
from core.identifiers import is_identifier
from pricing.decision import PriceUpdate, encode_update
from sinks.redis_names import StoredPrice
from sinks.redis_reader import RedisDownError

SEND_WITHIN_S = 10.0
FRAMES_AT_ONCE = 100
SNAPSHOT_PAGE = 500
CATCH_UP_READS = 40
CATCH_UP_EVERY_S = 0.05
CONFLATE_MS_MAX = 60_000
TRY_AGAIN_LATER = 1013
BAD_MESSAGE = 1008
PULSE_EVERY_S = 1.0

router = APIRouter()
log = telemetry.get_logger("live")


class SnapshotUpdate(PriceUpdate, frozen=True, gc=False, tag_field="type", tag="price_update"):
    """A `price_update` of the state as it is, marked as such."""

    snapshot: bool = True


class Subscription(msgspec.Struct, frozen=True):
    """What a client asked for. `products` is None for all; `conflate_s` None for every update."""

    products: list[str] | None
    snapshot: bool
    conflate_s: float | None
    by_message: bool


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """What a client of `subscribe=1` sends: the products it wants from now on, with the versions it has, or 0."""

    products: dict[str, int]


class Pulse(msgspec.Struct, frozen=True, tag_field="type", tag="pulse"):
    """Sent every second to clients of `subscribe=1`: that the line is alive, whether Kafka is, and how many frames
    were sent before this one, so that the client can tell that it has got them all."""

    at_ms: int
    live: bool
    frames: int


class Problem(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    error: str


_decode_subscribe = msgspec.json.Decoder(Subscribe).decode
_encode = msgspec.json.Encoder().encode


def parse_subscription(query: dict[str, str]) -> Subscription:
    """The subscription of a query string. Raises ApiError (400)."""
    by_message = query.get("subscribe", "0")
    if by_message not in {"0", "1"} or (by_message == "1" and "products" in query):
        raise ApiError(400, "subscribe takes 0 or 1, and 1 only without products")
    products = (
        parse_ids(query["products"], noun="product") if "products" in query else [] if by_message == "1" else None
    )
    snapshot = query.get("snapshot", "0")
    if snapshot not in {"0", "1"}:
        raise ApiError(400, "snapshot takes 0 or 1")
    conflate_s = None
    if (text := query.get("conflate_ms")) is not None:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= CONFLATE_MS_MAX and len(text) < 7):
            raise ApiError(400, f"conflate_ms takes a whole number from 1 to {CONFLATE_MS_MAX}")
        conflate_s = int(text) / 1000
    return Subscription(products, snapshot == "1", conflate_s, by_message == "1")


@router.websocket("/ws/prices")
async def prices(websocket: WebSocket) -> None:
    services = services_of(websocket)
    try:
        subscription = parse_subscription(dict(websocket.query_params))
        if subscription.snapshot and not await services.prices.ping():
            raise ApiError(503, "the price store does not answer, so there is no snapshot")
    except ApiError as refusal:
        await websocket.send_denial_response(error_response(refusal.status_code, refusal.detail))
        return
    line = line_of(websocket)
    conflate = subscription.conflate_s is not None
    client = Client(subscription.products, conflate, None if subscription.by_message else line)
    # Before the handshake is answered: from the client's first moment on, nothing is missed.
    services.hub.add(client)
    try:
        await websocket.accept()
        serving = _serve(websocket, line, services, client, subscription)
        await _until_gone(websocket, serving, client if subscription.by_message else None, services)
    finally:
        services.hub.remove(client)


async def _until_gone(
    websocket: WebSocket, serving: Coroutine[None, None, None], subscriber: Client | None, services: Services
) -> None:
    """Serve until the client goes; what it sends changes what it watches (`subscriber`), or is read and dropped."""
    task = asyncio.ensure_future(serving)
    reading = asyncio.ensure_future(_read_all(websocket, subscriber, services))
    try:
        await asyncio.wait({task, reading}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (task, reading):
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await each


async def _read_all(websocket: WebSocket, subscriber: Client | None, services: Services) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if subscriber is None:
            continue
        problem = _subscribe(message.get("text") or "", subscriber, services)
        if problem is not None:
            await websocket.close(BAD_MESSAGE, problem)
            return


def _subscribe(text: str, client: Client, services: Services) -> str | None:
    """Change what a client watches; what is wrong with its message, if anything."""
    try:
        known = _decode_subscribe(text).products
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return "a message takes type subscribe, and products: ids with the versions you have"
    if len(known) > PAGE_MAX:
        return f"at most {PAGE_MAX} product ids"
    if not all(map(is_identifier, known)):
        return "products takes ids of products"
    services.hub.change(client, known)
    return None


async def _serve(
    websocket: WebSocket, line: Line, services: Services, client: Client, subscription: Subscription
) -> None:
    try:
        if subscription.by_message:
            await _serve_subscriber(websocket, line, services, client, subscription)
        if subscription.snapshot:
            sent: dict[str, int] = {}
            async for stored in _snapshot(services, subscription.products):
                sent[stored.product_id] = stored.version
                await _send(websocket, _snapshot_frame(stored))
            async for stored in _behind(services, subscription.products, sent):
                sent[stored.product_id] = stored.version
                await _send(websocket, _snapshot_frame(stored))
            # The relay may be behind the snapshot.
            client.knows(sent)
        while True:
            await _write(line, [frame for _, _, frame in await client.take()])
            if subscription.conflate_s is not None:
                await asyncio.sleep(subscription.conflate_s)
    except TimeoutError:
        telemetry.WS_DROPPED.inc()
        log.info("a client does not read; dropped")
        with contextlib.suppress(RuntimeError, TimeoutError, WebSocketDisconnect):
            await asyncio.wait_for(websocket.close(TRY_AGAIN_LATER, "too slow"), 1.0)
    except RedisDownError:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(TRY_AGAIN_LATER, "the price store does not answer")


async def _serve_subscriber(
    websocket: WebSocket, line: Line, services: Services, client: Client, subscription: Subscription
) -> None:
    """Updates of what the client watches at the moment; a pulse every second; the state of what it asks for."""
    versions: dict[str, int] = {}
    frames = 0
    next_pulse = 0.0
    while True:
        now = time.monotonic()
        if now >= next_pulse:
            next_pulse = now + PULSE_EVERY_S
            pulse = Pulse(time.time_ns() // 1_000_000, services.relay.live, frames)
            await _send(websocket, _encode(pulse).decode())
        updates: list[Update] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(next_pulse - now):
                updates = await client.take()
        asked = client.asked_for()
        if asked:
            versions = {name: max(known, versions.get(name, 0)) for name, known in asked.items()}
            try:
                async for stored in _snapshot(services, list(asked)):
                    if stored.version > versions.get(stored.product_id, 0):
                        versions[stored.product_id] = stored.version
                        frames += 1
                        await _send(websocket, _snapshot_frame(stored))
            except RedisDownError:
                await _send(websocket, _encode(Problem("the price store does not answer")).decode())
        news: list[bytes] = []
        for product_id, version, frame in updates:
            if version > versions.get(product_id, 0):
                versions[product_id] = version
                news.append(frame)
        frames += len(news)
        await _write(line, news)
        if subscription.conflate_s is not None and updates:
            await asyncio.sleep(subscription.conflate_s)


async def _send(websocket: WebSocket, frame: str) -> None:
    """Raises TimeoutError where the client does not take it."""
    async with asyncio.timeout(SEND_WITHIN_S):
        await websocket.send_text(frame)
    telemetry.WS_FRAMES.inc()


async def _write(line: Line, frames: list[bytes]) -> None:
    """As `_send`, for frames as the hub has them."""
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        part = frames[start : start + FRAMES_AT_ONCE]
        if not line.free:
            async with asyncio.timeout(SEND_WITHIN_S):
                await line.wait()
        line.write(b"".join(part))
        telemetry.WS_FRAMES.inc(len(part))


async def _snapshot(services: Services, products: list[str] | None) -> AsyncIterator[StoredPrice]:
    ids = products if products is not None else await services.prices.product_ids()
    for start in range(0, len(ids), SNAPSHOT_PAGE):
        for stored in await services.prices.prices(ids[start : start + SNAPSHOT_PAGE]):
            yield stored


async def _behind(
    services: Services, products: list[str] | None, sent: dict[str, int]
) -> AsyncIterator[StoredPrice]:
    """Prices that the relay had passed on before the client was there, and Redis did not have yet when it was
    read: Redis is read again until it has caught up, for a moment at most."""
    for _ in range(CATCH_UP_READS):
        behind = services.board.newer_than(sent, products)
        if not behind:
            return
        await asyncio.sleep(CATCH_UP_EVERY_S)
        for start in range(0, len(behind), SNAPSHOT_PAGE):
            for stored in await services.prices.prices(behind[start : start + SNAPSHOT_PAGE]):
                if stored.version > sent.get(stored.product_id, -1):
                    yield stored


def _snapshot_frame(stored: StoredPrice) -> str:
    update = SnapshotUpdate(
        product_id=stored.product_id,
        new_price=stored.price,
        timestamp=stored.event_time_ms // 1000,
        version=stored.version,
        previous_price=stored.previous_price,
        demand=stored.demand,
        price_source=stored.price_source,
        event_time_ms=stored.event_time_ms,
        policy=stored.policy,
        adjustments=stored.adjustments,
    )
    return encode_update(update).decode()
