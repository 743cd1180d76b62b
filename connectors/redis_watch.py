"""The watch of Redis: if Redis may have lost rows of the flow, it asks every shard to refill it.

A Redis may restart empty or with old data. A crash of the flow may lose rows that are not written yet, so all
shards also write their latest rows once after every start."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import redis
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

import telemetry
from pricing.batches import SETTLED, RefillRequest

LOOK_EVERY_S = 2.0
"""Pause between two looks at Redis."""

OTHER_SERVER_EVERY_S = 60.0
"""Shortest time between two refills because the server is another one."""

SETTLES_AFTER_S = 5.0
"""Time from a start to the requests with the reason `SETTLED`."""

PART = "redis"

log = telemetry.get_logger("redis_watch")


class RedisWatch(FixedPartitionedSource[tuple[str, RefillRequest], None]):
    """A source of `(shard, RefillRequest)`, one for every shard: at the start, when the marker is gone, and when
    the server is another one. Some seconds after a start, it sends one set with the reason `SETTLED`.

    connect: makes a client that is not connected yet. marker: a key that exists while Redis holds the flow's rows.
    The source ends when `stop` is set. It has no resume state."""

    def __init__(
        self, connect: Callable[[], "redis.Redis"], marker: str, shards: int, stop: threading.Event
    ) -> None:
        self._connect = connect
        self._marker = marker
        self._shards = shards
        self._stop = stop

    def list_parts(self) -> list[str]:
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "RedisWatchPartition":
        return RedisWatchPartition(self._connect(), self._marker, self._shards, self._stop)


class RedisWatchPartition(StatefulSourcePartition[tuple[str, RefillRequest], None]):
    """The one partition. It looks at Redis from a thread of its own, because a Redis that does not answer must not
    delay the flow. All other methods belong to the worker's thread."""

    def __init__(self, client: "redis.Redis", marker: str, shards: int, stop: threading.Event) -> None:
        self._client = client
        self._marker = marker
        self._shards = shards
        self._stop = stop
        self._empty = threading.Event()
        self._closed = threading.Event()
        self._started = False
        self._looked_before = False
        self._settled = False
        self._settles_at = time.monotonic() + SETTLES_AFTER_S
        self._run_id: str | None = None
        self._patient_until = 0.0
        self._awake_at = datetime.now(UTC)
        threading.Thread(target=self._look, name="redis-watch", daemon=True).start()

    def next_batch(self) -> list[tuple[str, RefillRequest]]:
        if self._stop.is_set():
            raise StopIteration
        self._awake_at = datetime.now(UTC) + timedelta(milliseconds=200)
        reason = ""
        if not self._started:
            self._started = True
            reason = "start"
        elif self._empty.is_set():
            self._empty.clear()
            reason = "Redis is empty"
            if self._looked_before:
                log.warning("Redis may not hold our prices; writing all of them")
            else:
                log.info("Redis was empty at the start; writing all prices")
            self._looked_before = True
        elif not self._settled and time.monotonic() >= self._settles_at:
            self._settled = True
            return [(str(shard), RefillRequest(SETTLED)) for shard in range(self._shards)]
        if not reason:
            return []
        telemetry.REFILLS.inc()
        return [(str(shard), RefillRequest(reason)) for shard in range(self._shards)]

    def next_awake(self) -> datetime | None:
        return self._awake_at

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            try:
                run_id = self._client.info("server").get("run_id")
                # Another server, or the same one after a restart, may hold older data with the marker.
                other = self._run_id not in (None, run_id) and time.monotonic() >= self._patient_until
                self._run_id = run_id
                if other:
                    # A limit, because behind a proxy every look may find another server.
                    self._patient_until = time.monotonic() + OTHER_SERVER_EVERY_S
                if (self._client.set(self._marker, "1", nx=True) or other) and self._started:
                    self._empty.set()
                else:
                    self._looked_before = True
            except redis.RedisError:
                # The sink reports an outage. The watch only looks again.
                continue
