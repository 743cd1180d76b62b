"""Any interleaving of orders, changes, removals, prices and costs ends as one join of all of them."""

from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales.book import Book, Sale, Sums
from sales.orders import Order
from sales.prices import UNITS, PricePoint, Timeline, to_units

TIMES = st.integers(0, 12)
IDS = st.sampled_from("abcdef")


def point(at_ms: int, version: int, price: int | None = 10, base: int | None = 8) -> PricePoint:
    return PricePoint(at_ms, version, price, base=base)


points = st.lists(
    st.builds(point, TIMES, st.integers(1, 5), st.none() | st.integers(1, 20), st.none() | st.integers(1, 20)),
    max_size=12,
    unique_by=lambda each: each.place,
)
orders = st.builds(Order, IDS, TIMES, st.just("A"), st.integers(1, 9))
steps = st.lists(orders | IDS | st.tuples(st.none() | st.integers(1, 9)), max_size=20)


def join(placed: dict[str, Order], prices: list[PricePoint], cost: int | None) -> list[tuple[Any, ...]]:
    """The batch join, by DuckDB: order, price, base, by the greatest place that is not after the order."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE o (id VARCHAR, at_ms BIGINT, quantity BIGINT)")
        database.execute("CREATE TABLE p (at_ms BIGINT, version BIGINT, price BIGINT, base BIGINT)")
        if placed:
            database.executemany(
                "INSERT INTO o VALUES (?, ?, ?)", [(o.order_id, o.time_ms, o.quantity) for o in placed.values()]
            )
        if prices:
            database.executemany(
                "INSERT INTO p VALUES (?, ?, ?, ?)", [(p.at_ms, p.version, p.price, p.base) for p in prices]
            )
        # A later version of the same moment takes the place of an earlier one.
        return database.execute(
            "WITH last AS (SELECT at_ms, max(version) AS version FROM p GROUP BY at_ms),"
            " q AS (SELECT p.* FROM p JOIN last USING (at_ms, version))"
            " SELECT o.id, q.price * o.quantity, (q.price - ?) * o.quantity,"
            " CASE WHEN q.price IS NOT NULL THEN q.base * o.quantity END"
            " FROM o ASOF LEFT JOIN q ON o.at_ms >= q.at_ms ORDER BY o.id",
            [cost],
        ).fetchall()


def join_asof(placed: dict[str, Order], prices: list[PricePoint], cost: int | None) -> list[tuple[Any, ...]]:
    """The same by polars' `join_asof`, which takes the last of equal times."""
    of_orders = {"id": pl.String, "at_ms": pl.Int64, "quantity": pl.Int64}
    rows = [(o.order_id, o.time_ms, o.quantity) for o in placed.values()]
    left = pl.DataFrame(rows, of_orders, orient="row").sort("at_ms")
    of_prices = {"at_ms": pl.Int64, "version": pl.Int64, "price": pl.Int64, "base": pl.Int64}
    points = [(p.at_ms, p.version, p.price, p.base) for p in prices]
    right = pl.DataFrame(points, of_prices, orient="row").sort("at_ms", "version")
    price, quantity = pl.col("price"), pl.col("quantity")
    joined = left.join_asof(right, on="at_ms", strategy="backward").sort("id")
    return joined.select(
        pl.col("id"),
        (price * quantity).alias("revenue"),
        ((price - pl.lit(cost, pl.Int64)) * quantity).alias("margin"),
        pl.when(price.is_not_null()).then(pl.col("base") * quantity).alias("base"),
    ).rows()


@settings(max_examples=150)
@given(points, steps, st.data())
def test_any_interleaving_ends_as_the_batch_join(
    prices: list[PricePoint], given_steps: list[Any], data: Any
) -> None:
    book = Book("A")
    placed: dict[str, Order] = {}
    cost: int | None = None
    differences = Sums()
    # Prices come anywhere among the steps.
    marks = [("price", each) for each in prices] + [("step", None)] * len(given_steps)
    left = iter(given_steps)
    for kind, price in data.draw(st.permutations(marks)):
        if kind == "price":
            corrections = list(book.add_price(price))
            corrections += list(book.add_price(price))
        elif isinstance(step := next(left), Order):
            placed[step.order_id] = step
            corrections = [book.put(step)]
        elif isinstance(step, str):
            known = placed.pop(step, None)
            found = book.remove(step)
            assert (found is None) == (known is None)
            corrections = [] if found is None else [found]
        else:
            (cost,) = step
            corrections = list(book.set_cost(cost))
        for correction in corrections:
            differences.add(correction.difference)
    rows = [(s.order.order_id, s.revenue, s.margin, s.base_revenue) for s in book.sales()]
    assert sorted(rows) == join(placed, prices, cost) == join_asof(placed, prices, cost)
    total = Sums()
    for sale in book.sales():
        total.add(sale.sums())
    assert total == book.sums == differences
    times = [sale.order.time_ms for sale in book.sales()]
    assert times == sorted(times)


@given(points, TIMES, TIMES)
def test_a_timeline_that_forgets_still_has_the_prices_since_then(
    prices: list[PricePoint], horizon: int, after: int
) -> None:
    whole, short = Timeline(), Timeline()
    for each in prices:
        assert whole.add(each)
        assert not whole.add(each)
        short.add(each)
    forgotten = short.forget_before(horizon)
    assert len(short) == len(whole) - forgotten
    assert short.at(horizon + after) == whole.at(horizon + after)
    ordered = [each.place for each in whole.points()]
    assert ordered == sorted(ordered)


def test_a_late_price_reprices_exactly_the_orders_that_it_covers() -> None:
    book = Book("A")
    list(book.add_price(point(10, 1, 100)))
    list(book.add_price(point(30, 3, 300)))
    for at_ms in (5, 10, 19, 20, 29, 30):
        book.put(Order(f"o{at_ms}", at_ms, "A", 2))
    corrections = list(book.add_price(point(20, 2, 200)))
    assert [each.order_id for each in corrections] == ["o20", "o29"]
    assert [each.difference.revenue for each in corrections] == [200, 200]
    assert book.sums.unpriced == 1


def test_amounts_are_exact() -> None:
    assert to_units(0.1) + to_units(0.2) == to_units(0.3)
    sale = Sale(Order("o", 0, "A", 3), PricePoint(0, 1, to_units(19.99)), to_units(12.5))
    assert (sale.revenue, sale.margin) == (599_700, 599_700 - 375_000)
    assert (sale.revenue or 0) / UNITS == pytest.approx(59.97)
