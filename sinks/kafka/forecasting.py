"""Messages of `demand-forecasts`."""

from typing import Any

import msgspec

from clients.kafka_producer import Record
from core.timestamps import to_rfc3339
from forecasting.published import Forecast

_encode = msgspec.json.Encoder().encode


def encode_forecast(forecast: Forecast) -> bytes:
    """The message of a forecast: compact JSON, fields in the order of the contract."""
    message: dict[str, Any] = {
        "type": "forecast",
        "product_id": forecast.product_id,
        "made_at": to_rfc3339(forecast.made_at_ms),
        "model": forecast.model,
        "source": forecast.source,
        "horizons": {str(minutes): each for minutes, each in forecast.horizons.items()},
        "demand_score": forecast.demand_score,
        "version": forecast.version,
    }
    return _encode(message)


def encode_forecasts(result: Any) -> list[Record]:
    """Key (product) and value of each new forecast, in order. result: with `made`."""
    return [(each.forecast.product_id.encode(), encode_forecast(each.forecast)) for each in result.made]
