"""Redis: the latest price of every product, one Lua call a batch, never an older version over a newer.

Only the newest row of a product matters, so what waits is a dict, and an outage makes it no larger than the
number of products. It is not kept in recovery snapshots: after every start, and whenever Redis has lost its
data, the flow writes the latest row of every product again (connectors/redis_watch.py).
"""

import itertools
import random
import threading
import time
from collections.abc import Callable

import msgspec
import redis
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from redis.backoff import NoBackoff
from redis.retry import Retry

import telemetry
from core.timestamps import to_rfc3339
from pricing.catalogue import CatalogueEntry
from pricing.decision import FreezeChange, PriceDecision, PricedEvents
from sinks import redis_names
from sinks.outgoing import Outgoing
from sinks.parts import part_names, part_of

NAME = "redis"
CALL_ROWS_MAX = 500
PENDING_ROWS_MAX = 200_000
TIMEOUT_S = 2.0
BACK_OFF_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
LINGER_S = 0.01
CLOSE_WITHIN_S = 3.0

# ARGV[1]: JSON array of rows, each of a price, [product_id, updated_at_ms, update or null, override or null,
# day_open or null], of the catalogue, [product_id, product or null], or of a freeze, [scope, freeze or null,
# "freeze"]. A price, its override and the indexes change together, and
# only if the row is not older than what is there. '%.2f' and '%.17g', as Lua alone prints 14 digits.
LUA = """
local function write_product(id, product)
  local category = redis.call('HGET', 'product:' .. id, 'category')
  if category then
    redis.call('SREM', 'category:' .. category, id)
    if redis.call('EXISTS', 'category:' .. category) == 0 then redis.call('SREM', 'categories', category) end
  end
  redis.call('DEL', 'product:' .. id)
  if product == cjson.null then return end
  redis.call('HSET', 'product:' .. id, 'name', product.name, 'category', product.category,
    'base_price', string.format('%.17g', product.base_price))
  if product.unit_cost ~= cjson.null then
    redis.call('HSET', 'product:' .. id, 'unit_cost', string.format('%.17g', product.unit_cost))
  end
  redis.call('SADD', 'categories', product.category)
  redis.call('SADD', 'category:' .. product.category, id)
end

local function write_freeze(scope, freeze)
  if freeze == cjson.null then redis.call('HDEL', 'freezes', scope)
  else redis.call('HSET', 'freezes', scope, cjson.encode(freeze)) end
end

local function withdraw(id)
  redis.call('DEL', 'price:' .. id, 'override:' .. id)
  redis.call('SREM', 'products', id)
  redis.call('SREM', 'overrides', id)
end

local function write_price(id, updated_at, update, override, day_open)
  local key = 'price:' .. id
  local stored = redis.call('HMGET', key, 'version', 'price_source')
  if stored[1] and tonumber(stored[1]) > update.version then return end
  local demand = string.format(update.demand % 1 == 0 and '%.0f' or '%.17g', update.demand)
  local previous = ''
  if update.previous_price ~= cjson.null then previous = string.format('%.2f', update.previous_price) end
  redis.call('HSET', key, 'price', string.format('%.2f', update.new_price), 'demand', demand,
    'version', string.format('%.0f', update.version), 'price_source', update.price_source,
    'previous_price', previous, 'updated_at_ms', string.format('%.0f', updated_at),
    'adjustments', cjson.encode(update.adjustments),
    'event_time_ms', string.format('%.0f', update.event_time_ms), 'policy', update.policy)
  if day_open and day_open ~= cjson.null then
    redis.call('HSET', key, 'day_open', string.format('%.2f', day_open),
      'day', string.format('%.0f', math.floor(update.event_time_ms / 86400000)))
  end
  redis.call('SADD', 'products', id)
  if override ~= cjson.null then
    redis.call('HSET', 'override:' .. id, 'override_price', string.format('%.2f', override.override_price),
      'reason', override.reason, 'set_by', override.set_by,
      'set_at', override.set_at, 'expires_at', override.expires_at)
    redis.call('SADD', 'overrides', id)
  elseif stored[2] == 'override' then
    redis.call('DEL', 'override:' .. id)
    redis.call('SREM', 'overrides', id)
  end
end

local function write(row)
  if #row == 2 then write_product(row[1], row[2])
  elseif #row == 3 then write_freeze(row[1], row[2])
  elseif row[3] == cjson.null then withdraw(row[1])
  else write_price(row[1], row[2], row[3], row[4], row[5]) end
end

-- A key of ours that holds something else is replaced; a row that still cannot be written holds up no other.
local failed = {}
for _, row in ipairs(cjson.decode(ARGV[1])) do
  local ok, problem = pcall(write, row)
  if not ok and string.find(tostring(type(problem) == 'table' and problem.err or problem), 'WRONGTYPE') then
    if #row == 3 then redis.call('DEL', 'freezes')
    else redis.call('DEL', 'price:' .. row[1], 'override:' .. row[1], 'product:' .. row[1]) end
    ok, problem = pcall(write, row)
    if not ok then table.insert(failed, row[1]) end
  elseif not ok then
    error(problem)
  end
end
return failed
"""

log = telemetry.get_logger(NAME)
_WRITES = telemetry.SINK_WRITES.labels(NAME)
_ERRORS = telemetry.SINK_ERRORS.labels(NAME)
_LATENCY = telemetry.SINK_LATENCY.labels(NAME)


class _Override(msgspec.Struct, gc=False):
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str


class _Product(msgspec.Struct, gc=False):
    name: str
    category: str
    base_price: float
    unit_cost: float | None


class _Freeze(msgspec.Struct, gc=False):
    scope: str
    reason: str
    set_by: str
    set_at: str


RedisRow = tuple[str, bytes]
"""What the row is of (a newer one replaces an older one that waits), and the row as JSON for the script."""

_encode = msgspec.json.Encoder().encode


def encode_rows(decision: PriceDecision, encoded_update: bytes | None) -> list[RedisRow]:
    """The rows of a decision; `encoded_update` is its update as JSON, encoded once for all sinks."""
    override = b"null"
    if active := decision.override:
        expires = to_rfc3339(active.expires_at_ms) if active.expires_at_ms is not None else ""
        override = _encode(
            _Override(active.override_price, active.reason, active.set_by, to_rfc3339(active.set_at_ms), expires)
        )
    product_id = decision.product_id
    name = product_id.encode()
    day_open = b"null" if decision.day_open is None else repr(decision.day_open).encode()
    price_row = b'["%b",%d,%b,%b,%b]' % (
        name,
        decision.updated_at_ms,
        encoded_update or b"null",
        override,
        day_open,
    )
    if decision.catalogue is None and not decision.forgotten:
        return [(product_id, price_row)]
    product = _encode(_product_of(decision.catalogue)) if decision.catalogue else b"null"
    # A space is in no identifier, so the two names never meet.
    return [(product_id, price_row), (f"{product_id} product", b'["%b",%b]' % (name, product))]


def encode_events(events: PricedEvents) -> dict[str, bytes]:
    """The newest row of every product that has events: as `encode_rows`, at a third of its cost."""
    # All numbers in one call, and apart again: no number has a comma.
    day_opens = _encode(events.day_opens)[1:-1].split(b",")
    newest = dict(zip(events.keys, zip(events.updates, day_opens, strict=True), strict=True))
    at = b"%d" % events.updated_at_ms
    return {
        key.decode(): b'["%b",%b,%b,null,%b]' % (key, at, update, day_open)
        for key, (update, day_open) in newest.items()
    }


def encode_freeze(change: FreezeChange) -> RedisRow:
    freeze = change.freeze
    shown = freeze and _Freeze(freeze.scope, freeze.reason, freeze.set_by, to_rfc3339(freeze.set_at_ms))
    return f"freeze {change.scope}", _encode((change.scope, shown, "freeze"))


def _product_of(entry: CatalogueEntry) -> _Product:
    return _Product(entry.name, entry.category, entry.base_price, entry.unit_cost)


Connect = Callable[[], "redis.Redis"]


def connect(address: str, password: str | None) -> "redis.Redis":
    """A client with time limits, so that a frozen Redis is an error and not a wait."""
    host, port = redis_names.split_address(address)
    return redis.Redis(
        host=host,
        port=port,
        password=password,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )


class RedisSink(FixedPartitionedSink[Outgoing[RedisRow], None]):
    """Items are `(shard, Outgoing[RedisRow])`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def list_parts(self) -> list[str]:
        return part_names()

    def part_fn(self, item_key: str) -> int:
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "RedisSinkPartition":
        return RedisSinkPartition(self._connect, for_part)


class RedisSinkPartition(StatefulSinkPartition[Outgoing[RedisRow], None]):
    """Takes rows at once and writes them from a thread of its own: a slow Redis slows nothing else."""

    def __init__(self, connect: Connect, part: str) -> None:
        self._client = connect()
        self._script = self._client.register_script(LUA)
        self._pending: dict[str, tuple[int, bytes]] = {}
        self._lost = False
        self._down = False
        self._call_rows = CALL_ROWS_MAX
        self._changed = threading.Condition()
        self._closing = False
        self._idle = False
        self._pending_gauge = telemetry.SINK_PENDING.labels(NAME, part)
        self._breaker = telemetry.BREAKER_OPEN.labels(NAME, part)
        self._breaker.set(0)
        self._thread = threading.Thread(target=self._run, name=f"redis-sink-{part}", daemon=True)
        self._thread.start()

    def write_batch(self, values: list[Outgoing[RedisRow]]) -> None:
        with self._changed:
            for outgoing in values:
                for name, row in outgoing.rows:
                    self._pending[name] = (outgoing.kafka_time_ms, row)
            if self._idle:
                self._idle = False
                self._changed.notify_all()
            if len(self._pending) > PENDING_ROWS_MAX:
                self._changed.wait_for(self._has_room_or_is_down)
            if len(self._pending) > PENDING_ROWS_MAX:
                # Down: let go of everything. The flow writes it all again once Redis is back.
                self._pending.clear()
                self._lost = True
            self._pending_gauge.set(len(self._pending))

    def _has_room_or_is_down(self) -> bool:
        return self._down or len(self._pending) <= PENDING_ROWS_MAX

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        """Write what waits, for a few seconds at most: a start writes everything again anyway."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        failures = 0
        while True:
            rows = self._take()
            if not rows:
                return
            try:
                self._write(rows)
            except Exception as error:  # whatever it is, the thread must go on
                self._give_back(rows)
                if failures == 0:
                    log.warning("Redis cannot be written; the newest rows wait", error=_text(error))
                _ERRORS.inc()
                # Over a slow line only a small call gets through within the time limit.
                self._call_rows = max(1, len(rows) // 2)
                self._set_down(True)
                pause = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
                if self._closing:
                    return
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                continue
            self._call_rows = min(CALL_ROWS_MAX, 2 * self._call_rows)
            if failures:
                log.info("Redis is written again")
                failures = 0
                self._set_down(False)

    def _take(self) -> dict[str, tuple[int, bytes]]:
        """The next rows to write, in order of arrival; none when closing and all is written."""
        with self._changed:
            while not self._pending and not self._closing:
                self._idle = True
                self._changed.wait()
            self._idle = False
            few = len(self._pending) < self._call_rows and not self._closing
        if few:
            # Not woken for every batch that comes: a wake-up costs more than a row.
            time.sleep(LINGER_S)
        with self._changed:
            if len(self._pending) <= self._call_rows:
                rows, self._pending = self._pending, {}
            else:
                chosen = list(itertools.islice(self._pending, self._call_rows))
                rows = {product_id: self._pending.pop(product_id) for product_id in chosen}
            self._pending_gauge.set(len(self._pending))
            self._changed.notify_all()
            return rows

    def _set_down(self, down: bool) -> None:
        with self._changed:
            self._down = down
            self._breaker.set(down)
            self._changed.notify_all()

    def _give_back(self, rows: dict[str, tuple[int, bytes]]) -> None:
        with self._changed:
            # Rows that came meanwhile are newer.
            self._pending = {**rows, **self._pending}
            self._pending_gauge.set(len(self._pending))

    def _write(self, rows: dict[str, tuple[int, bytes]]) -> None:
        if self._lost:
            self._client.delete(redis_names.FILLED)
            self._lost = False
        failed = self._script(args=[b"[" + b",".join(row for _, row in rows.values()) + b"]"])
        if failed:
            _ERRORS.inc(len(failed))
            log.error("rows that Redis cannot take, as a key of theirs holds something else", products=failed[:10])
        _WRITES.inc(len(rows))
        if oldest_ms := min((ms for ms, _ in rows.values() if ms), default=0):
            _LATENCY.observe(max(0.0, time.time() - oldest_ms / 1000))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
