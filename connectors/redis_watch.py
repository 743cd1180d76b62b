"""The watch of Redis: if Redis may have lost rows of the flow, it asks the shards to write them again.

A Redis may restart empty or with old data (`connectors/redis_marker.py`), or drop keys when its memory is full. The
API puts the ids of products that it misses into a set, and the watch asks for those. A crash of the flow may lose
rows that are not written yet, so all shards also write their latest rows once after every start."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import redis
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

import telemetry
from connectors.redis_marker import EMPTY, EVICTED, RedisMarker
from core.shards import shard_of
from core.work import RefillRequest

LOOK_EVERY_S = 2.0
"""Pause between two looks at Redis."""

REFILL_EVERY_S = 15.0
"""Shortest time between two refills. A reason that comes earlier waits, because behind a proxy every look may find
another server."""

EVICTED_EVERY_S = 300.0
"""Shortest time between two refills because Redis evicted keys: if it has no room, each refill evicts others."""

REPAIRS_MAX = 1_000
"""Products that one look takes out of the set of missing ones."""

PART = "redis"

Requests = list[tuple[str, RefillRequest]]

log = telemetry.get_logger("redis_watch")


class RedisWatch(FixedPartitionedSource[tuple[str, RefillRequest], None]):
    """A source of `(shard, RefillRequest)`: for every shard at the start and when Redis may have lost rows, and for
    some products when the API misses them.

    connect: makes a client that is not connected yet. marker: the key of the marker. repair: the key of the set of
    missing products. The source ends when `stop` is set. It has no resume state."""

    def __init__(
        self,
        connect: Callable[[], "redis.Redis"],
        shards: int,
        stop: threading.Event,
        *,
        marker: str,
        repair: str,
    ) -> None:
        self._connect = connect
        self._shards = shards
        self._stop = stop
        self._marker = marker
        self._repair = repair

    def list_parts(self) -> list[str]:
        return [PART]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "RedisWatchPartition":
        looker = RedisLooker(self._connect(), self._marker, self._repair)
        return RedisWatchPartition(looker, self._shards, self._stop)


class RedisLooker:
    """The looks at Redis. It keeps the reasons for a refill and the missing products until they are taken. `look`
    belongs to the thread of the watch, `take` to the worker's thread."""

    def __init__(self, client: "redis.Redis", marker: str, repair: str) -> None:
        self._client = client
        self._marker = RedisMarker(client, marker)
        self._repair = repair
        self._keys = f"{marker} and {repair}"
        self._lock = threading.Lock()
        self._reason = ""
        self._missing: set[str] = set()
        self._refill_from = self._evicted_from = 0.0

    def look(self) -> None:
        """Look at Redis once. Raises nothing: the sink reports an outage, and the watch only looks again."""
        try:
            self._marker.look(self._note)
            missing: list[bytes] = self._client.spop(self._repair, REPAIRS_MAX)  # type: ignore[assignment]
        except redis.exceptions.NoPermissionError as error:
            log.debug("the watch may not look", error=str(error))
            telemetry.set_alert("redis_not_watched", self._keys, holds=True)
        except redis.RedisError:
            # A new connection after every error: the server may not be the master any more.
            self._client.connection_pool.disconnect()
        else:
            telemetry.set_alert("redis_not_watched", self._keys, holds=False)
            with self._lock:
                self._missing.update(each.decode("utf-8", "replace") for each in missing)

    def take(self) -> tuple[str, set[str]]:
        """The reason for which all rows are to be written again, if that is due, and the missing products. Both are
        empty if there are none."""
        now = time.monotonic()
        with self._lock:
            missing, self._missing = self._missing, set()
            reason = self._reason
            if not reason or now < (self._evicted_from if reason == EVICTED else self._refill_from):
                return "", missing
            self._reason = ""
            self._refill_from, self._evicted_from = now + REFILL_EVERY_S, now + EVICTED_EVERY_S
        return reason, missing

    def _note(self, reason: str) -> None:
        with self._lock:
            # An eviction may wait longer than the other reasons, so it does not replace them.
            if not self._reason or reason != EVICTED:
                self._reason = reason


class RedisWatchPartition(StatefulSourcePartition[tuple[str, RefillRequest], None]):
    """The one partition. It looks at Redis from a thread of its own, because a Redis that does not answer must not
    delay the flow. All other methods belong to the worker's thread."""

    def __init__(self, looker: RedisLooker, shards: int, stop: threading.Event) -> None:
        self._looker = looker
        self._shards = shards
        self._stop = stop
        self._closed = threading.Event()
        self._started = False
        self._refilled = False
        self._awake_at = datetime.now(UTC)
        threading.Thread(target=self._look, name="redis-watch", daemon=True).start()

    def next_batch(self) -> Requests:
        if self._stop.is_set():
            raise StopIteration
        self._awake_at = datetime.now(UTC) + timedelta(milliseconds=200)
        if not self._started:
            self._started = True
            return self._for_all("start")
        reason, missing = self._looker.take()
        if not reason:
            return self._for_some(missing)
        if reason == EMPTY and not self._refilled:
            log.info("Redis was empty; writing all prices")
        else:
            log.warning("Redis may not hold our prices; writing all of them", reason=reason)
        self._refilled = True
        return self._for_all(reason)

    def next_awake(self) -> datetime | None:
        return self._awake_at

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._closed.set()

    def _for_all(self, reason: str) -> Requests:
        telemetry.REFILLS.inc()
        return [(str(shard), RefillRequest(reason)) for shard in range(self._shards)]

    def _for_some(self, product_ids: Iterable[str]) -> Requests:
        found: dict[int, list[str]] = defaultdict(list)
        for product_id in sorted(product_ids):
            found[shard_of(product_id.encode(), self._shards)].append(product_id)
        telemetry.REPAIRS.inc(sum(map(len, found.values())))
        return [(str(shard), RefillRequest("repair", tuple(ids))) for shard, ids in found.items()]

    def _look(self) -> None:
        self._looker.look()
        while not self._closed.wait(LOOK_EVERY_S):
            self._looker.look()
