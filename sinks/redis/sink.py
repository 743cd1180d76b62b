"""The Redis sink: the newest row of each name, one call of a Lua script for a batch.

Only the newest row of a name matters. So rows that are not written yet are in a dict, which during an outage grows
at most to the number of names. Recovery snapshots do not hold these rows. Instead, the flow writes the latest row
of every product again after every start, and when Redis has lost its data (`connectors/redis_watch.py`)."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import msgspec
import redis
from bytewax.outputs import StatefulSinkPartition

import telemetry
from clients.behind import KeysBehind
from sinks.base.outgoing import Outgoing
from sinks.base.sink import PlacedSink
from sinks.base.writer import Pace, Writer
from sinks.redis.keys import FILLED, RedisRow

NAME = "redis"
PENDING_ROWS_MAX = 200_000
KEPT_ROWS_MAX = 4_000
"""Rows in a snapshot, at most. There are more only while Redis is down."""

PACE = Pace(rows_max=500, linger_s=0.01, back_off_s=(0.05, 0.1, 0.25, 0.5, 1.0, 2.0), close_within_s=3.0)

Connect = Callable[[], "redis.Redis"]

encode_rows = msgspec.msgpack.Encoder().encode
decode_rows = msgspec.msgpack.Decoder(list[RedisRow]).decode

log = telemetry.get_logger(NAME)


class LatestRows:
    """The buffer: the newest row of each name, in order of arrival. Used under the writer's lock."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, rows: Iterable[RedisRow]) -> None:
        self._rows.update(rows)

    def take(self, most: int) -> dict[str, bytes]:
        if len(self._rows) <= most:
            rows, self._rows = self._rows, {}
            return rows
        names = list(itertools.islice(self._rows, most))
        return {name: self._rows.pop(name) for name in names}

    def give_back(self, rows: dict[str, bytes]) -> None:
        # Rows that have arrived in the meantime are newer.
        self._rows = {**rows, **self._rows}

    def newest(self, most: int) -> dict[str, bytes]:
        """The newest `most` rows."""
        return dict(itertools.islice(self._rows.items(), max(0, len(self._rows) - most), None))

    def clear(self) -> None:
        """Drop all rows."""
        self._rows.clear()


class RedisStore:
    """The destination: a script in Redis that takes all rows of a call as one JSON array. marker: of the system's
    watch of Redis (`sinks.redis.keys.FILLED`)."""

    def __init__(
        self,
        client: "redis.Redis",
        script: str,
        arguments: Sequence[str],
        behind: KeysBehind,
        marker: str = FILLED,
    ) -> None:
        self._client = client
        self._marker = marker
        self._script = client.register_script(script)
        self._arguments = arguments
        self._behind = behind
        self.lost = False
        """Rows were dropped. The marker must be deleted, so that the flow writes all rows again."""

    def write(self, rows: dict[str, bytes]) -> None:
        try:
            if self.lost:
                self._client.delete(self._marker)
                self.lost = False
            failed, older = self._script(args=[b"[" + b",".join(rows.values()) + b"]", *self._arguments])
        except redis.RedisError:
            # A new connection after every error. A server that became a replica refuses writes on a healthy
            # connection; the new one leads to the master of the moment.
            self._client.connection_pool.disconnect()
            raise
        refused = {name.decode() for name in older}
        if self._behind.since:
            self._behind.catch_up(rows.keys() - refused)
        if refused:
            self._behind.refuse(refused)
        if failed:
            telemetry.SINK_ERRORS.labels(NAME).inc(len(failed))
            log.error("rows that Redis cannot take, as a key of theirs holds something else", products=failed[:10])

    def has_work(self) -> bool:
        return False

    def work(self, most: int) -> tuple[int, bool]:
        return 0, False

    def close(self) -> None:
        self._client.close()


class RedisSink(PlacedSink[RedisRow, bytes | None]):
    """A sink that writes rows by a script. `connect` makes a client that is not connected yet. arguments: of the
    script, after the rows. keeps: rows that are not written yet are part of the snapshot, because a start does not
    write them again: they are published. marker: as in `RedisStore`."""

    def __init__(
        self,
        connect: Connect,
        script: str,
        arguments: Sequence[str] = (),
        *,
        keeps: bool = False,
        marker: str = FILLED,
    ) -> None:
        self._connect = connect
        self._script = script
        self._arguments = arguments
        self._keeps = keeps
        self._marker = marker
        self._behind = KeysBehind(NAME, "redis_not_newer")

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "RedisSinkPartition":
        store = RedisStore(self._connect(), self._script, self._arguments, self._behind, self._marker)
        rows = decode_rows(resume_state) if resume_state else []
        return RedisSinkPartition(store, for_part, rows, keeps=self._keeps)


class RedisSinkPartition(StatefulSinkPartition[Outgoing[RedisRow], bytes | None]):
    """A partition of the sink. It accepts rows at once, and a writer thread writes them, so that a slow Redis slows
    nothing else. Its methods belong to the worker's thread."""

    def __init__(
        self, store: RedisStore, partition: str, rows: Iterable[RedisRow] = (), *, keeps: bool = False
    ) -> None:
        self._keeps = keeps
        self._buffer = LatestRows()
        self._buffer.extend(rows)
        self._store = store
        self._writer = Writer(NAME, partition, self._buffer, self._store, PACE, title="Redis")
        self._writer.start()

    def write_batch(self, values: list[Outgoing[RedisRow]]) -> None:
        writer, buffer = self._writer, self._buffer
        with writer.changed:
            writer.put(values)
            if len(buffer) > PENDING_ROWS_MAX:
                writer.changed.wait_for(lambda: writer.down or len(buffer) <= PENDING_ROWS_MAX)
            if len(buffer) > PENDING_ROWS_MAX:
                # Redis is down. Drop all rows: the flow writes them again once Redis is back.
                buffer.clear()
                self._store.lost = True
            writer.report()

    def snapshot(self) -> bytes | None:
        if not self._keeps:
            return None
        writer = self._writer
        with writer.changed:
            rows = {**(writer.in_flight or {}), **self._buffer.newest(KEPT_ROWS_MAX)}
        return encode_rows(list(rows.items()))

    def close(self) -> None:
        """Write the last rows, for some seconds at most. A start writes all rows again in any case."""
        self._writer.close()
