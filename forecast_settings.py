"""The settings of forecasts: a part of `Settings`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from setting_values import TOPIC_TAKES, Topic


class ForecastSettings(BaseSettings):
    """The environment's settings of forecasts, as `Settings` has them."""

    demand_events_topic: Topic = Field("demand-events", description=TOPIC_TAKES)
    supply_topic: Topic = Field("supply", description=TOPIC_TAKES)
    demand_forecasts_topic: Topic = Field("demand-forecasts", description=TOPIC_TAKES)
    pricing_decisions_topic: Topic = Field("pricing-decisions", description=TOPIC_TAKES)
    forecast_backlog_topic: Topic = Field("forecast-backlog", description=TOPIC_TAKES)
    forecast_model: Path | None = Field(
        None, description="the folder of a model, used while the registry has none that is live"
    )
    forecast_retention_days: int = Field(
        60,
        ge=0,
        le=36500,
        description="days for which hours of demand are kept in the history database, from 0 (for ever) to 36500",
    )
