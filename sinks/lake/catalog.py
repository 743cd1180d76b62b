"""The catalogue of the lake, by its address."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.rest import RestCatalog
from requests import Session
from sqlalchemy import make_url

from clients import postgres

NAME = "pricewax"

USUAL = {"s3.connect-timeout": "5", "s3.request-timeout": "30"}
"""Seconds. A store that does not answer must not hold up a commit for minutes."""

REST_TIMEOUT_S = (5, 30)
"""For the connection and for each answer of a REST catalogue: pyiceberg itself waits for ever."""

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
        implementation = f"{TimedRestCatalog.__module__}.{TimedRestCatalog.__name__}"
        return load_catalog(NAME, **{**properties, "py-catalog-impl": implementation, "uri": address})
    url = make_url(f"{_SQL[scheme]}://{rest}")
    if scheme == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    else:
        usual = {name: str(value) for name, value in postgres.DEFAULTS.items() if name not in url.query}
        url = url.update_query_dict(usual)
    uri = url.render_as_string(hide_password=False)
    return load_catalog(NAME, **{"pool_pre_ping": "true", **properties, "type": "sql", "uri": uri})


class TimedRestCatalog(RestCatalog):
    """A REST catalogue whose requests have a time limit."""

    def _create_session(self) -> Session:
        session = super()._create_session()
        session.request = partial(session.request, timeout=REST_TIMEOUT_S)  # type: ignore[method-assign]
        return session
