"""The catalogue of the lake, by its address."""

from collections.abc import Mapping
from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog

NAME = "pricewax"

USUAL = {"s3.connect-timeout": "5", "s3.request-timeout": "30"}
"""Seconds. A store that does not answer must not hold up a commit for minutes."""

_SQL = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""By scheme: the dialect and the driver of SQLAlchemy."""


def open_catalog(address: str, warehouse: str | None, options: Mapping[str, str]) -> Catalog:
    """The catalogue at an address: `http://…` for a REST catalogue, `sqlite:///…` or `postgresql://…` for one in
    SQL.

    warehouse: where new tables are, `file:///…` or `s3://…`; None for the choice of a REST catalogue. options:
    further properties of pyiceberg, such as `s3.endpoint`. Raises what the catalogue raises if it does not
    answer."""
    scheme, _, rest = address.partition("://")
    properties = {**USUAL, **({"warehouse": warehouse} if warehouse else {}), **options}
    if scheme in ("http", "https"):
        return load_catalog(NAME, **{**properties, "type": "rest", "uri": address})
    if scheme == "sqlite":
        Path(rest.removeprefix("/")).parent.mkdir(parents=True, exist_ok=True)
    uri = f"{_SQL[scheme]}://{rest}"
    return load_catalog(NAME, **{"pool_pre_ping": "true", **properties, "type": "sql", "uri": uri})
