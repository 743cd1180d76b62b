"""The reader of prices, overrides and freezes in the history database."""

from typing import Any

import msgspec

from core.errors import StoreError
from core.positions import SourcePosition
from core.timestamps import LATEST_MS, parse_rfc3339
from sinks.history.store import Database, Dialect, bind_time

EARLIEST_MS, END_MS = -30_610_224_000_000, 253_370_764_800_000
"""The years 1000 to 9999 (exclusive): the range of a query without `from` or `to`. The time of a command is that of
Kafka, which may be before or after every event time that is valid."""

VERSION_MAX = 2**63 - 1


class HistoryPoint(msgspec.Struct, frozen=True):
    """One decided price, as `/history` returns it. The fields from `policy` on are returned only with `detail`.
    event_time: RFC 3339, UTC. adjustments: JSON."""

    price: float
    event_time: str
    price_source: str
    demand: float
    version: int
    policy: str
    adjustments: msgspec.Raw
    cause: str
    position: SourcePosition


class ChartPoint(msgspec.Struct, frozen=True, array_like=True):
    """The last price of a span of time. As JSON it is an array."""

    event_time_ms: int
    price: float
    demand: float
    price_source: str
    version: int


class SignalPoint(msgspec.Struct, frozen=True, array_like=True):
    """The stock, clicks and cheapest competitor of a product at a minute. As JSON it is an array. None: not
    known."""

    at_ms: int
    stock: float | None
    clicks_15m: int
    min_competitor_price: float | None


class LowestPrice(msgspec.Struct, frozen=True):
    """The lowest price of a span of time. since: when it came into force, RFC 3339, UTC; it may be before the
    span."""

    price: float
    price_source: str
    version: int
    since: str


class Chart(msgspec.Struct, frozen=True):
    """Points in order of time. prices: number of prices in the whole range, before thinning."""

    points: list[ChartPoint]
    prices: int


class AuditCursor(msgspec.Struct, frozen=True):
    """The position of a row in an audit trail. The newest row comes first, so a page holds the rows before a
    position. at_ms: UTC milliseconds."""

    at_ms: int
    partition: int
    offset: int


NEWEST = AuditCursor(LATEST_MS, 0, 0)
"""The position before which the first page is."""


class PastOverride(msgspec.Struct, frozen=True):
    """An override that was set, with its end if it has ended. Times are RFC 3339, UTC."""

    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at: str
    expires_at: str | None
    removed_at: str | None
    cursor: AuditCursor


class PastFreeze(msgspec.Struct, frozen=True):
    """A freeze that was set, with its end if it has ended. Times are RFC 3339, UTC."""

    scope: str
    reason: str
    set_by: str
    set_at: str
    lifted_at: str | None
    cursor: AuditCursor


class Statements(msgspec.Struct, frozen=True):
    """The statements of a dialect. Binds: product_id, since, until and limit; below for past prices; points for the
    chart; before, part and position for pages.

    The newest price is that of the highest version, as on every other output. A late event may have set it."""

    history: str
    chart: str
    overrides: str
    overrides_of_product: str
    freezes: str
    signals: str
    lowest: str
    in_force: str


def statements(dialect: Dialect) -> Statements:
    """The statements in a dialect."""
    moment, text = dialect.moment.format, dialect.text.format
    in_range = f"""FROM price_history WHERE product_id = :product_id
        AND event_time >= {moment(":since")} AND event_time < {moment(":until")}"""
    before = f"""(set_time < {moment(":before")} OR (set_time = {moment(":before")}
        AND (source_partition < :part OR (source_partition = :part AND source_offset < :position))))
        ORDER BY set_time DESC, source_partition DESC, source_offset DESC FETCH FIRST :limit ROWS ONLY"""
    overrides = f"""SELECT product_id, override_price, reason, set_by, {text("set_time")}, {text("expires_time")},
        {text("removed_time")}, source_partition, source_offset FROM price_overrides"""  # noqa: S608
    return Statements(
        history=f"""SELECT price, {text("event_time")}, price_source, demand, version, policy,
            {dialect.json.format("adjustments")}, cause, source_topic, source_partition, source_offset
            {in_range} AND version < :below ORDER BY version DESC, event_time DESC
            FETCH FIRST :limit ROWS ONLY""",
        # The last price of each of `points` equal spans of time: a chart cannot show more. A price is in force from
        # its decision on, which is no earlier than any event that was decided before. A correction ends what events
        # from the future have set.
        chart=f"""WITH bounded AS (
                SELECT price, price_source, demand, version, LEAST(event_time, COALESCE(
                    MIN(CASE WHEN cause = 'corrected' THEN event_time END) OVER (
                        ORDER BY version DESC ROWS UNBOUNDED PRECEDING), event_time)) AS at_time {in_range}),
            decided AS (
                SELECT price, price_source, demand, version,
                    MAX(at_time) OVER (ORDER BY version ROWS UNBOUNDED PRECEDING) AS event_time FROM bounded),
            found AS (
                SELECT decided.*, {dialect.seconds.format("event_time")} AS at_s FROM decided),
            spans AS (
                SELECT found.*, COUNT(*) OVER () AS prices,
                    FLOOR((at_s - MIN(at_s) OVER ()) * :points
                        / GREATEST(MAX(at_s) OVER () - MIN(at_s) OVER (), 0.001)) AS span
                FROM found),
            ranked AS (
                SELECT spans.*, ROW_NUMBER() OVER (
                    PARTITION BY span ORDER BY version DESC) AS rank_in_span
                FROM spans)
            SELECT {text("event_time")}, price, demand, price_source, version, prices
            FROM ranked WHERE rank_in_span = 1 ORDER BY span""",  # noqa: S608
        overrides=f"{overrides} WHERE {before}",
        overrides_of_product=f"{overrides} WHERE product_id = :product_id AND {before}",
        freezes=f"""SELECT scope, reason, set_by, {text("set_time")}, {text("lifted_time")}, source_partition,
            source_offset FROM price_freezes WHERE {before}""",  # noqa: S608
        # A price is in force from its decision on, as in the chart. The one in force at `since` was decided before
        # the first that is later.
        lowest=f"""WITH bounds AS (
                SELECT COALESCE(MAX(version), 0) AS first_version FROM price_history
                WHERE product_id = :product_id AND version < COALESCE((
                    SELECT MIN(version) FROM price_history
                    WHERE product_id = :product_id AND event_time > {moment(":since")}), {VERSION_MAX})),
            bounded AS (
                SELECT price, price_source, version, LEAST(event_time, COALESCE(
                    MIN(CASE WHEN cause = 'corrected' THEN event_time END) OVER (
                        ORDER BY version DESC ROWS UNBOUNDED PRECEDING), event_time)) AS at_time
                FROM price_history, bounds WHERE product_id = :product_id AND version >= first_version),
            decided AS (
                SELECT price, price_source, version,
                    MAX(at_time) OVER (ORDER BY version ROWS UNBOUNDED PRECEDING) AS at_time FROM bounded)
            SELECT price, price_source, version, {text("at_time")} FROM decided
            WHERE at_time < {moment(":until")} ORDER BY price, version FETCH FIRST 1 ROW ONLY""",  # noqa: S608
        in_force=f"""WITH run AS (
                SELECT MIN(version) AS first_version FROM price_history
                WHERE product_id = :product_id AND version > COALESCE((
                    SELECT MAX(version) FROM price_history
                    WHERE product_id = :product_id AND price <> :price), -1))
            SELECT {text("event_time")} FROM price_history, run
            WHERE product_id = :product_id AND version <= first_version
            ORDER BY event_time DESC FETCH FIRST 1 ROW ONLY""",  # noqa: S608
        signals=f"""WITH found AS (
                SELECT signal_history.*, {dialect.seconds.format("at_time")} AS at_s FROM signal_history
                WHERE product_id = :product_id
                    AND at_time >= {moment(":since")} AND at_time < {moment(":until")}),
            spans AS (
                SELECT found.*, FLOOR((at_s - MIN(at_s) OVER ()) * :points
                    / GREATEST(MAX(at_s) OVER () - MIN(at_s) OVER (), 0.001)) AS span FROM found),
            ranked AS (
                SELECT spans.*, ROW_NUMBER() OVER (PARTITION BY span ORDER BY at_s DESC) AS rank_in_span FROM spans)
            SELECT at_s, stock, clicks_15m, min_competitor_price
            FROM ranked WHERE rank_in_span = 1 ORDER BY span""",  # noqa: S608
    )


class HistoryReader:
    """The reader of history for the API. Belongs to one event loop. Every method but `ping` and `close` raises
    StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements(database.dialect)

    async def read(
        self, product_id: str, limit: int, from_ms: int | None, to_ms: int | None, *, below: int | None = None
    ) -> list[HistoryPoint]:
        """The newest `limit` prices with `from_ms <= event time < to_ms`, newest first: by version. None is no
        limit of time. below: only prices of a lower version."""
        binds = {**_range(product_id, from_ms, to_ms), "limit": limit, "below": below or VERSION_MAX}
        rows = await self._database.fetch(self._statements.history, binds)
        return [
            HistoryPoint(
                float(price),
                event_time,
                source,
                float(demand),
                int(version),
                policy,
                _json(adjustments),
                cause,
                SourcePosition(topic, int(part), int(offset)),
            )
            for price, event_time, source, demand, version, policy, adjustments, cause, topic, part, offset in rows
        ]

    async def chart(self, product_id: str, points: int, from_ms: int | None, to_ms: int | None) -> Chart:
        """The same prices, thinned to at most `points` (2 or more): the last one of each span of time. The time of
        a point is when its price came into force. For a late event, that is the latest event time before it."""
        binds = {**_range(product_id, from_ms, to_ms), "points": points - 1}
        rows = await self._database.fetch(self._statements.chart, binds)
        found = [
            ChartPoint(parse_rfc3339(event_time), float(price), float(demand), source, int(version))
            for event_time, price, demand, source, version, _ in rows
        ]
        return Chart(found, int(rows[0][5]) if rows else 0)

    async def lowest(self, product_id: str, from_ms: int, to_ms: int) -> LowestPrice | None:
        """The lowest price that was in force in a span of time, `to_ms` not included. None if there was none."""
        rows = await self._database.fetch(self._statements.lowest, _range(product_id, from_ms, to_ms))
        if not rows:
            return None
        price, source, version, since = rows[0]
        return LowestPrice(float(price), source, int(version), since)

    async def in_force_since(self, product_id: str, price: float) -> str | None:
        """The moment since which a product has had its price without a pause, RFC 3339, UTC. None if the newest row
        has another price, or if there is none."""
        rows = await self._database.fetch(self._statements.in_force, {"product_id": product_id, "price": price})
        return rows[0][0] if rows else None

    async def signals(
        self, product_id: str, points: int, from_ms: int | None, to_ms: int | None
    ) -> list[SignalPoint]:
        """Stock, clicks and competitors with `from_ms <= time < to_ms`, thinned to at most `points` (2 or more):
        the last ones of each span of time, oldest first."""
        binds = {**_range(product_id, from_ms, to_ms), "points": points - 1}
        return [
            SignalPoint(
                round(float(at_s) * 1000),
                None if stock is None else float(stock),
                int(clicks),
                None if price is None else float(price),
            )
            for at_s, stock, clicks, price in await self._database.fetch(self._statements.signals, binds)
        ]

    async def overrides(self, product_id: str | None, limit: int, before: AuditCursor) -> list[PastOverride]:
        """The newest `limit` overrides before a position, newest first. product_id: None for all products."""
        binds = _before(before, limit)
        statement = self._statements.overrides
        if product_id is not None:
            binds["product_id"] = product_id
            statement = self._statements.overrides_of_product
        rows = await self._database.fetch(statement, binds)
        return [
            PastOverride(
                name,
                float(price),
                reason,
                set_by,
                set_at,
                expires_at,
                removed_at,
                _cursor(set_at, part, position),
            )
            for name, price, reason, set_by, set_at, expires_at, removed_at, part, position in rows
        ]

    async def freezes(self, limit: int, before: AuditCursor) -> list[PastFreeze]:
        """The newest `limit` freezes before a position, newest first."""
        rows = await self._database.fetch(self._statements.freezes, _before(before, limit))
        return [
            PastFreeze(scope, reason, set_by, set_at, lifted_at, _cursor(set_at, part, position))
            for scope, reason, set_by, set_at, lifted_at, part, position in rows
        ]

    async def ping(self) -> bool:
        """True if the database answers, and its tables can be read."""
        try:
            await self.read("", 1, None, None)
        except StoreError:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()


def _json(value: Any) -> msgspec.Raw:
    """The JSON of a column. Depending on its version, a driver returns the text or the parsed value."""
    return msgspec.Raw(value.encode() if isinstance(value, str) else msgspec.json.encode(value))


def _range(product_id: str, from_ms: int | None, to_ms: int | None) -> dict[str, Any]:
    since, until = EARLIEST_MS if from_ms is None else from_ms, END_MS if to_ms is None else to_ms
    return {"product_id": product_id, "since": bind_time(since), "until": bind_time(until)}


def _before(cursor: AuditCursor, limit: int) -> dict[str, Any]:
    return {"before": bind_time(cursor.at_ms), "part": cursor.partition, "position": cursor.offset, "limit": limit}


def _cursor(set_at: str, partition: Any, offset: Any) -> AuditCursor:
    return AuditCursor(parse_rfc3339(set_at), int(partition), int(offset))
