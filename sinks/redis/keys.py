"""Names that every system shares in Redis."""

FILLED = "pricewax:filled"
"""Key that exists while Redis holds what the flow wrote. If it is gone, the flow writes everything again."""

RedisRow = tuple[str, bytes]
"""The name of what the row is about (a newer row of a name replaces an older one), and the row as JSON for the
script."""
