"""A small shop with a year's habits in a few weeks: for tests of forecasts."""

import random
from functools import cache
from pathlib import Path

from core.timestamps import DAY_MS, parse_rfc3339
from forecasting.calendar import weekday
from forecasting.demand import Demand
from forecasting.history import HOUR_MS, MINUTE_MS

START_MS = parse_rfc3339("2011-01-03T00:00:00Z")
"""A Monday."""
START = START_MS // DAY_MS
OPENS, CLOSES = 8, 18


@cache
def demand_of_shop(products: int = 40, days: int = 150, seed: int = 7) -> tuple[Demand, ...]:
    """Sales from Sunday to Friday, most on Thursdays. Some products sell every day, some once a month."""
    chance = random.Random(seed)
    sales = []
    for day in range(START, START + days):
        if weekday(day) == 5:
            continue
        busy = 2.0 if weekday(day) == 3 else 1.0
        for number in range(products):
            orders = sum(chance.random() < busy * (number + 1) / products for _ in range(3))
            for _ in range(orders):
                at_ms = day * DAY_MS + chance.randrange(OPENS * 60, CLOSES * 60) * MINUTE_MS
                cancelled = at_ms + HOUR_MS if chance.random() < 0.02 else None
                units = chance.choice((1, 2, 6, 12, 1000)) if cancelled else chance.choice((1, 2, 6, 12))
                sales.append(Demand(f"{20000 + number}", at_ms, units, 1.5 + number, cancelled))
    return tuple(sorted(sales, key=lambda each: each.at_ms))


def write_invoices(path: Path, demand: tuple[Demand, ...]) -> Path:
    """The demand as invoices in the UCI layout, cancellations included."""
    lines = ["InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for number, each in enumerate(demand):
        moments = [(each.at_ms, each.units)]
        if each.cancelled_at_ms is not None:
            moments.append((each.cancelled_at_ms, -each.units))
        lines += [
            f"{number},{each.product_id},{units},{_text(at)},{each.price},{number},UK" for at, units in moments
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _text(at_ms: int) -> str:
    from forecasting.commands import moment_text

    return moment_text(at_ms).replace("T", " ").removesuffix("Z")
