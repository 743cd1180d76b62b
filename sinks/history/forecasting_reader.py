"""The reader of models and of their stages in the history database."""

from typing import Any, NamedTuple

from core.timestamps import parse_rfc3339
from forecasting.registry.stages import StageChange
from sinks.history.forecasting import join_parts
from sinks.history.store import Database


class RegisteredModel(NamedTuple):
    """A model in the registry. registered_ms: UTC milliseconds."""

    version: str
    sha256: str
    parts: int
    registered_ms: int


class ForecastReader:
    """The reader of the registry. Belongs to one event loop. Every method raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self) -> list[StageChange]:
        """All changes of stages, in order."""
        at = self._database.dialect.text.format("set_time")
        rows = await self._database.fetch(
            f"SELECT change_number, version, stage, share, {at}, set_by, reason FROM forecast_stages"  # noqa: S608
            " ORDER BY change_number",
            {},
        )
        return [
            StageChange(int(number), version, stage, float(share), parse_rfc3339(moment), who, why)
            for number, version, stage, share, moment, who, why in rows
        ]

    async def models(self) -> list[RegisteredModel]:
        """All models, the newest first."""
        at = self._database.dialect.text.format("registered_time")
        rows = await self._database.fetch(
            f"SELECT version, sha256, parts, {at} FROM forecast_models ORDER BY registered_time DESC, version",  # noqa: S608
            {},
        )
        return [
            RegisteredModel(version, sha256, int(parts), parse_rfc3339(moment))
            for version, sha256, parts, moment in rows
        ]

    async def file(self, version: str, name: str) -> bytes:
        """A file of a model; empty if it is not there."""
        binds: dict[str, Any] = {"version": version, "name": name}
        rows = await self._database.fetch(
            "SELECT content FROM forecast_parts WHERE version = :version AND file_name = :name ORDER BY part", binds
        )
        return join_parts(content for (content,) in rows)
