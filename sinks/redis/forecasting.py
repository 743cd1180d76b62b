"""Forecasts in Redis: names of keys, rows, and the script that writes the rows (`forecasting.lua`)."""

from importlib import resources
from typing import Any

import msgspec

from core.timestamps import to_rfc3339
from forecasting.names import HOUR_FEATURES
from forecasting.published import Forecast
from sinks.redis.keys import RedisRow

SCRIPT = (resources.files("sinks.redis") / "forecasting.lua").read_text(encoding="utf-8")

ALIVE = "forecasting:alive"
"""Set by the flow while it makes forecasts. Without it, answers are degraded."""

ALIVE_S, FEATURES_S, FORECAST_S = 20, 120, 2 * 86_400
"""Seconds after which the keys expire."""

FILLED = "pricewax:forecasting:filled"
"""As `sinks.redis.keys.FILLED`, of the flow of forecasts."""

REPAIR = "pricewax:forecasting:repair"
"""As `sinks.redis.keys.REPAIR`, of the flow of forecasts."""

ARGUMENTS = [str(each) for each in (ALIVE_S, FEATURES_S, FORECAST_S)]
"""Of the script, after the rows."""

_encode = msgspec.json.Encoder().encode


def forecast_key(product_id: str) -> str:
    """Hash of the latest forecast: made_at, model, source, demand_score, version, and p10, p50, p90 and mean of
    each horizon, such as `mean_60`."""
    return f"forecast:{product_id}"


def features_key(product_id: str) -> str:
    """JSON document of the features of the latest forecast: their moment and, by name, their values."""
    return f"features:{product_id}"


def encode_latest(result: Any) -> list[RedisRow]:
    """A row for each product, and one that says that the flow is alive. result: with `made`, `again`, `alive`."""
    rows = [(each.product_id, _encode(_row_of(each, None))) for each in result.again]
    rows += [(each.forecast.product_id, _encode(_row_of(each.forecast, each.features))) for each in result.made]
    if result.alive:
        rows.append(("", _encode(("", 0, "", []))))
    return rows


def _row_of(forecast: Forecast, features: list[float | None] | None) -> tuple[str, int, str, list[str]]:
    made_at = to_rfc3339(forecast.made_at_ms)
    fields = ["made_at", made_at, "model", forecast.model, "source", forecast.source]
    fields += ["demand_score", repr(forecast.demand_score), "version", str(forecast.version)]
    for minutes, units in forecast.horizons.items():
        for name in units.__struct_fields__:
            fields += [f"{name}_{minutes}", repr(getattr(units, name))]
    document = ""
    if features is not None:
        named = dict(zip(HOUR_FEATURES, features, strict=True))
        document = _encode({"product_id": forecast.product_id, "at": made_at, "features": named}).decode()
    return forecast.product_id, forecast.version, document, fields
