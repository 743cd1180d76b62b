"""Serving a WebSocket client: the handshake, then states and updates until the client is gone."""

import asyncio
import contextlib
import time

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

import telemetry
from api.live.client import NOT_NEWER, Client, Update
from api.live.feed import LiveFeed
from api.live.frames import push_connection_of
from api.live.states import read_asked, read_newer_states, read_states
from api.live.subscription import BadMessageError, Problem, Pulse, Subscription, parse_subscription
from api.live.versions import Versions
from api.web.errors import ApiError, error_response
from core.errors import RedisDownError

SEND_WITHIN_S = 10.0
FRAMES_AT_ONCE = 100
TRY_AGAIN_LATER = 1013
BAD_MESSAGE = 1008
PULSE_EVERY_S = 1.0

log = telemetry.get_logger("live")
_encode = msgspec.json.Encoder().encode


async def serve_client(websocket: WebSocket, feed: LiveFeed, *, everything: bool = False) -> None:
    """Serve one client of a feed until it is gone. Refuses the handshake with 400 for a malformed query string, and
    with 503 for a snapshot while the store of states does not answer. everything: send all updates, for any query
    string."""
    try:
        query = {} if everything else dict(websocket.query_params)
        subscription = parse_subscription(query, feed.form)
        if subscription.snapshot and not await feed.states.answers():
            raise ApiError(503, f"{feed.states.name} does not answer, so there is no snapshot")
    except ApiError as refusal:
        await websocket.send_denial_response(error_response(refusal.status_code, refusal.detail))
        return
    session = Session(websocket, feed, subscription)
    # Before the handshake is answered, so that the client misses no update after it.
    feed.hub.add(session.client)
    try:
        await websocket.accept()
        await session.run()
    finally:
        feed.hub.remove(session.client)


class Session:
    """One client after its handshake was accepted. Two tasks in the event loop: one sends, one reads.

    A client that does not read within SEND_WITHIN_S is closed with 1013, one that sends a malformed message with
    1008. Messages of a client that has not asked for `subscribe=1` are read and dropped."""

    def __init__(self, websocket: WebSocket, feed: LiveFeed, subscription: Subscription) -> None:
        self._websocket = websocket
        self._push = push_connection_of(websocket)
        self._feed = feed
        self._subscription = subscription
        conflate = subscription.conflate_s is not None
        push = None if subscription.by_message else self._push
        self.client = Client(
            subscription.keys,
            conflate,
            push,
            by_message=subscription.by_message,
            is_current=feed.states.is_current,
        )

    async def run(self) -> None:
        """Serve until either task ends."""
        tasks = asyncio.ensure_future(self._send_all()), asyncio.ensure_future(self._read_all())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                    await task

    async def _read_all(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            if not self._subscription.by_message:
                continue
            try:
                versions = self._feed.parse_subscribe(message.get("text") or "")
            except BadMessageError as problem:
                await self._websocket.close(BAD_MESSAGE, str(problem))
                return
            self._feed.hub.change(self.client, versions)

    async def _send_all(self) -> None:
        conflate_s = self._subscription.conflate_s
        try:
            if self._subscription.by_message:
                await self._send_chosen()
            if self._subscription.snapshot:
                await self._send_snapshot()
            while True:
                await self._write([frame for _, _, frame in await self.client.take()])
                if conflate_s is not None:
                    await asyncio.sleep(conflate_s)
        except TimeoutError:
            telemetry.WS_DROPPED.inc()
            log.info("a client does not read; dropped")
            with contextlib.suppress(RuntimeError, TimeoutError, WebSocketDisconnect):
                await asyncio.wait_for(self._websocket.close(TRY_AGAIN_LATER, "too slow"), 1.0)
        except RedisDownError:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close(TRY_AGAIN_LATER, f"{self._feed.states.name} does not answer")

    async def _send_snapshot(self) -> None:
        """The states of all keys that the client watches. Raises RedisDownError."""
        store, keys = self._feed.states, self._subscription.keys
        sent = Versions(first=0)
        async for key, version, state in read_states(store, keys):
            sent[key] = version
            await self._send(store.encode(state))
        async for state in read_newer_states(store, keys, sent):
            await self._send(store.encode(state))
        # Updates that the relay has not read yet may be older than the snapshot.
        self.client.start_after(sent)

    async def _send_chosen(self) -> None:
        """For `subscribe=1`: updates of the keys that the client watches at the moment, the states that it asks
        for, and a pulse every second, also while updates are conflated."""
        conflate_s = self._subscription.conflate_s
        versions = Versions()
        frames = 0
        next_pulse_s = next_take_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s >= next_pulse_s:
                next_pulse_s = now_s + PULSE_EVERY_S
                pulse = Pulse(time.time_ns() // 1_000_000, self._feed.relay.live, frames)
                await self._send(_encode(pulse).decode())
            updates: list[Update] = []
            if now_s < next_take_s:
                await asyncio.sleep(min(next_take_s, next_pulse_s) - now_s)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(next_pulse_s - now_s):
                        updates = await self.client.take()
            if asked := self.client.take_asked():
                versions = versions.limited_to(asked)
                frames += await self._send_asked(list(asked), versions)
            newer = [frame for key, version, frame in updates if versions.advance(key, version)]
            NOT_NEWER.inc(len(updates) - len(newer))
            frames += len(newer)
            await self._write(newer)
            if conflate_s is not None and updates:
                next_take_s = time.monotonic() + conflate_s

    async def _send_asked(self, keys: list[str], versions: Versions) -> int:
        """Send the states and withdrawals of keys that are newer than `versions`, which is brought up to date.
        Returns how many."""
        store = self._feed.states
        count = 0
        try:
            async for text in read_asked(store, keys, versions):
                count += 1
                await self._send(text)
        except RedisDownError:
            await self._send(_encode(Problem(f"{store.name} does not answer")).decode())
        return count

    async def _send(self, text: str) -> None:
        """Send a message. Raises TimeoutError if the client does not read."""
        async with asyncio.timeout(SEND_WITHIN_S):
            await self._websocket.send_text(text)
        telemetry.WS_FRAMES.inc()

    async def _write(self, frames: list[bytes]) -> None:
        """Write frames that are encoded already. Raises TimeoutError if the client does not read."""
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            chunk = frames[start : start + FRAMES_AT_ONCE]
            if not self._push.free:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._push.wait()
            self._push.write(b"".join(chunk))
            telemetry.WS_FRAMES.inc(len(chunk))
