"""The reader of forecasts in Redis, from which the API answers."""

import msgspec

from core.timestamps import parse_rfc3339
from forecasting.published import Forecast, Quantities, Source
from sinks.redis.calls import RedisReader
from sinks.redis.forecasting import ALIVE, REPAIR, forecast_key


class StoredForecast(msgspec.Struct, frozen=True):
    """The latest forecast of a product, and whether the flow of forecasts is alive."""

    forecast: Forecast | None
    is_alive: bool


class ForecastStore(RedisReader):
    """The reader of forecasts."""

    repair = REPAIR

    async def latest(self, product_id: str) -> StoredForecast:
        """The latest forecast of a product; None if it has none."""
        fields, alive = await self._calls([("HGETALL", forecast_key(product_id)), ("EXISTS", ALIVE)])
        return StoredForecast(read_forecast(product_id, fields), bool(alive))


def read_forecast(product_id: str, fields: dict[bytes, bytes]) -> Forecast | None:
    """A forecast out of the fields of its hash; None if there are none, or if they are no forecast."""
    values = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    try:
        horizons = {
            int(name.removeprefix("mean_")): Quantities(
                *(
                    float(values[f"{quantity}_{name.removeprefix('mean_')}"])
                    for quantity in Quantities.__struct_fields__
                )
            )
            for name in values
            if name.startswith("mean_")
        }
        source: Source = msgspec.convert(values["source"], Source)
        return Forecast(
            product_id,
            parse_rfc3339(values["made_at"]),
            values["model"],
            source,
            dict(sorted(horizons.items())),
            float(values["demand_score"]),
            int(values["version"]),
        )
    except (KeyError, ValueError, msgspec.ValidationError):
        return None
