"""Names in Redis that all systems share."""

FILLED = "pricewax:filled"
"""A key that exists while Redis holds the flow's rows. If it is gone, the flow writes all rows again."""

RedisRow = tuple[str, bytes]
"""A row and its name. A newer row replaces an older one of the same name. The row is JSON for the script."""
