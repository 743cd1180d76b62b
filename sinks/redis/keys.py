"""Names in Redis that all systems share."""

FILLED = "pricewax:filled"
"""A key that exists while Redis holds the flow's rows. Its value is that of the flow's last look at Redis. If the
key is gone, or has an older value, the flow writes all rows again."""

REPAIR = "pricewax:repair"
"""A set of ids whose rows are missing, written by the API. The flow takes them out and writes their rows again."""

REPAIR_IDS_MAX = 10_000
"""The API adds no ids to a set of this size."""

RedisRow = tuple[str, bytes]
"""A row and its name. A newer row replaces an older one of the same name. The row is JSON for the script."""
