"""Orders and products by shard: changes of any order over partitions, restarts, and bounded timelines."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.snapshots import LoggedState
from core.timestamps import DAY_MS
from sales.changes import Change, Drop, Entry, Price, Put
from sales.orders import Order, OrderChange
from sales.prices import PricePoint
from sales.state.orders import OrderShard
from sales.state.products import ProductShard

ORDERS = st.sampled_from("xyz")
PRODUCTS = st.sampled_from("AB")


class Shop:
    """One shard of each kind. `restart` makes them again from their documents, in a new execution."""

    def __init__(self, timeline_days: int = 7) -> None:
        self._days = timeline_days
        self._execution = 1
        self.orders, self.products = OrderShard(), ProductShard(timeline_days, 1)
        self._documents: tuple[list[bytes], list[bytes]] = ([], [])
        # As SQL keeps them: the newest row of each order.
        self.rows: dict[str, tuple[int, Any]] = {}

    def send(self, *changes: Change | OrderChange) -> list[Any]:
        applied: list[Any] = []
        for change in changes:
            moves = self.orders.apply(change) if isinstance(change, OrderChange) else [change]
            found = self.products.apply(moves)
            for each in found.corrected:
                if each.is_moved:
                    continue
                version, _ = self.rows.get(each.correction.order_id, (-1, None))
                assert each.version > version
                self.rows[each.correction.order_id] = each.version, each.correction.sale
            applied.append(found)
        return applied

    def save(self, *, whole: bool) -> None:
        shards: tuple[LoggedState, LoggedState] = (self.orders, self.products)
        for shard, documents in zip(shards, self._documents, strict=True):
            if whole:
                documents[:] = [shard.snapshot()]
            elif (document := shard.changes()) is not None:
                documents.append(document)

    def restart(self) -> None:
        self._execution += 1
        orders, products = self._documents
        self.orders, self.products = OrderShard(orders), ProductShard(self._days, self._execution, products)

    def shown(self) -> dict[str, Any]:
        return {
            order_id: (sale.order.product_id, sale.revenue, sale.margin)
            for order_id, (_, sale) in self.rows.items()
            if sale is not None
        }

    def sums(self) -> dict[str, tuple[int, int]]:
        return {each.product_id: (each.sums.orders, each.sums.revenue) for each in self.products.sums()}


def order(order_id: str = "x", at_ms: int = 100, product: str = "A", quantity: int = 2) -> Order:
    return Order(order_id, at_ms, product, quantity)


def price(at_ms: int, amount: int, version: int = 1, product: str = "A") -> Price:
    return Price(product, PricePoint(at_ms, version, amount))


order_changes = st.builds(
    lambda placed, lsn, gone: OrderChange(placed.order_id, None if gone else placed, lsn),
    st.builds(Order, ORDERS, st.integers(0, 9), PRODUCTS, st.integers(1, 5)),
    st.integers(1, 30),
    st.booleans(),
)
prices = st.builds(
    lambda product, at_ms, version: price(at_ms, 10 * at_ms + version, version, product),
    PRODUCTS,
    st.integers(0, 9),
    st.integers(1, 3),
)
entries = st.builds(Entry, PRODUCTS, st.just("Mug"), st.just(""), st.integers(1, 5), st.none())
marks = st.sampled_from(["changes", "whole", "restart"])


@settings(max_examples=200)
@given(
    st.lists(order_changes, max_size=12, unique_by=lambda each: (each.order_id, each.lsn)),
    st.lists(prices, max_size=8),
    st.lists(entries, max_size=2),
    st.lists(marks, max_size=6),
    st.data(),
)
def test_any_arrival_with_restarts_ends_as_the_join_of_the_newest(
    changes: list[OrderChange], points: list[Price], costs: list[Entry], restarts: list[str], data: Any
) -> None:
    shop = Shop()
    # The last cost of a product counts, so that costs keep their order.
    steps = data.draw(st.permutations([*changes, *points, *restarts]))
    since: list[Any] = []
    for step in [*costs, *steps]:
        if step == "restart":
            # All that came since the last snapshot is read again.
            shop.restart()
            shop.send(*since)
        elif isinstance(step, str):
            shop.save(whole=step == "whole")
            since = []
        else:
            shop.send(step)
            since.append(step)
    newest: dict[str, OrderChange] = {}
    for change in sorted(changes, key=lambda each: each.lsn or 0):
        newest[change.order_id] = change
    cost = {each.product_id: each.unit_cost for each in costs}
    expected: dict[str, Any] = {}
    for order_id, change in newest.items():
        if change.order is None:
            continue
        placed = change.order
        before = [each.point for each in points if each.product_id == placed.product_id]
        before = [point for point in before if point.at_ms <= placed.time_ms]
        amount = max(before, key=lambda point: point.place).price if before else None
        revenue = None if amount is None else amount * placed.quantity
        unit = cost.get(placed.product_id)
        margin = None if revenue is None or unit is None else revenue - unit * placed.quantity
        expected[order_id] = placed.product_id, revenue, margin
    assert shop.shown() == expected
    for product_id, (count, revenue) in shop.sums().items():
        of_product = [row for row in expected.values() if row[0] == product_id]
        assert (count, revenue) == (len(of_product), sum(row[1] or 0 for row in of_product))


def test_an_order_that_changes_its_product_leaves_the_old_one() -> None:
    shop = Shop()
    shop.send(price(0, 10), price(0, 30, product="B"), OrderChange("x", order(), 5))
    (applied,) = shop.send(OrderChange("x", order(product="B"), 9))
    assert [(each.product_id, each.is_moved) for each in applied.corrected] == [("A", True), ("B", False)]
    # The removal under the old product has the same position, and comes later.
    assert shop.orders.apply(OrderChange("x", None, 9)) == []
    assert shop.sums() == {"A": (0, 0), "B": (1, 60)}
    assert shop.orders.apply(OrderChange("x", None, 10)) == [Drop("B", "x", 3, True)]


def test_without_positions_the_last_one_counts() -> None:
    shard = OrderShard()
    assert shard.apply(OrderChange("x", order(), None)) == [Put(order(), 1)]
    assert shard.apply(OrderChange("x", order(quantity=3), None)) == [Put(order(quantity=3), 2)]
    assert shard.apply(OrderChange("x", None, None)) == [Drop("A", "x", 3, True)]
    assert shard.apply(OrderChange("x", None, None)) == []


def test_old_prices_are_forgotten_and_their_orders_keep_them_also_after_a_restart() -> None:
    shop = Shop(timeline_days=1)
    shop.send(
        price(0, 10), price(50, 20), OrderChange("x", order(at_ms=10), 1), OrderChange("y", order("y", 60), 2)
    )
    shop.send(price(3 * DAY_MS, 30), price(3 * DAY_MS + 1, 40))
    for _ in range(2):
        # A price that is too old changes nothing: those after it are not known any more.
        shop.send(price(5, 99, 7))
        shop.send(OrderChange("x", order(at_ms=10, quantity=3), 8))
        assert shop.shown() == {"x": ("A", 30, None), "y": ("A", 40, None)}
        shop.save(whole=True)
        shop.restart()


def test_names_and_costs_of_an_older_position_change_nothing() -> None:
    shard = ProductShard(7, 1)
    applied = shard.apply([Entry("A", "Mug", "kitchen", 5, 9), Entry("A", "Cup", "", 7, 8), Put(order(), 1)])
    (described,) = applied.described
    assert (described.name, described.category) == ("Mug", "kitchen")
    assert shard.apply([Entry("A", "Mug", "kitchen", 5, 10)]).described == []
