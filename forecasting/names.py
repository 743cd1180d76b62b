"""Names of features, in the order of their vectors. No library is imported here: readers need the names alone."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DAY_FEATURES = _names(
    """
    units_7d units_14d units_28d units_56d units_1 units_2 units_3 same_weekday_1 same_weekday_2 same_weekday_4
    same_weekday_8 sold_7d sold_28d sold_56d orders_28d units_per_order q10_28d q25_28d q50_28d q75_28d q90_28d
    max_28d decay_03 decay_10 decay_25 sold_decay days_since_sale age scale price price_7d price_28d stock_cover
    shop_7d shop_1 shop_28d shop_weekday weekday day_of_month closed_before
    """
)
"""Ratios to `scale`: units, decay, q, max, same_weekday. Shares of days: sold."""

OF_THE_SHOP = ("shop_7d", "shop_1", "shop_28d", "shop_weekday", "weekday", "day_of_month", "closed_before")
"""Features that are the same for all products of a day."""

HOUR_FEATURES = _names(
    """
    units_1m units_5m units_15m units_60m orders_1m orders_5m orders_15m orders_60m views_60m carts_60m units_today
    hour_7d hour_28d hour_sold_28d hour_weekday_4 units_7d units_28d sold_28d decay_10 days_since_sale scale price
    price_7d stock_cover shop_share_28d shop_share_weekday shop_60m shop_today shop_weekday weekday hour
    """
)
