"""The registry: models with their files in SQL, and their stages."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar

import msgspec

from core.text import has_controls
from forecasting.gates import failed_gates
from forecasting.model import ModelError
from forecasting.registry.stages import (
    CANARY_SHARE,
    PROMOTIONS,
    PromotionError,
    Rollout,
    Stage,
    StageChange,
    rollback_of,
    rollout_of,
)
from forecasting.serving.session import ABOUT_FILE, MODEL_FILE, AboutModel, Model, model_of
from sinks.history.databases import open_database, open_writer
from sinks.history.forecasting import REGISTRY_TABLES, encode_model, encode_parts, encode_stage
from sinks.history.forecasting_reader import ForecastReader, RegisteredModel

NAME_MAX = 200
REASON_MAX = 500

Answer = TypeVar("Answer")


class Registry:
    """The models in a history database. dsn, schema: as in `open_writer`. Every method raises StoreError."""

    def __init__(self, dsn: str, schema: str | None = None) -> None:
        self._dsn, self._schema = dsn, schema

    def changes(self) -> list[StageChange]:
        """All changes of stages, in order."""
        return self._read(lambda reader: reader.changes())

    def rollout(self) -> Rollout:
        """The models in force."""
        return rollout_of(self.changes())

    def models(self) -> list[tuple[RegisteredModel, AboutModel | None]]:
        """All models, the newest first, each with what is known of it; None if that cannot be read."""

        async def read(reader: ForecastReader) -> list[tuple[RegisteredModel, bytes]]:
            return [(each, await reader.file(each.version, ABOUT_FILE)) for each in await reader.models()]

        return [(model, _about_of(raw)) for model, raw in self._read(read)]

    def load(self, version: str) -> Model:
        """A model, ready to run. Raises ModelError too."""

        async def read(reader: ForecastReader) -> tuple[bytes, bytes]:
            return await reader.file(version, ABOUT_FILE), await reader.file(version, MODEL_FILE)

        try:
            about, raw = self._read(read)
        except ValueError as error:
            raise ModelError(f"model {version} in the registry: its files may be damaged ({error})") from None
        if not about:
            raise ModelError(f"model {version} is not in the registry")
        return model_of(about, raw, f"model {version} in the registry")

    def promote(
        self, about: bytes, raw: bytes, stage: Stage, *, who: str, why: str, share: float = CANARY_SHARE
    ) -> StageChange:
        """Bring a model to a stage, and into the registry if it is new. about, raw: the contents of its files.
        Raises ModelError if it cannot be run, and PromotionError if it may not come to the stage."""
        model = model_of(about, raw, "the model")
        version = model.about.version
        if stage not in PROMOTIONS:
            raise PromotionError(f"a model is promoted to {', '.join(PROMOTIONS)}, not {stage}")
        if stage != "shadow" and (failed := failed_gates(model.about.gates)):
            raise PromotionError(f"model {version} may only be a shadow: {'; '.join(failed)}")
        if stage == "canary" and not 0 < share < 1:
            raise PromotionError("the share of a canary is above 0 and below 1")
        if stage != "live" and self.rollout().live == version:
            raise PromotionError(f"model {version} is live; bring another model to live first, or roll back")
        files = {ABOUT_FILE: about, MODEL_FILE: raw}
        parts = encode_parts(version, files)
        known = {each.version: stored for each, stored in self.models()}
        if version in known and known[version] != model.about:
            raise PromotionError(f"model {version} is registered with another {ABOUT_FILE}; train it again")
        if version not in known:
            # The model's row comes last: whoever sees it can read the files.
            self._write([*parts, encode_model(version, model.about.sha256, len(parts), _now_ms())])
        return self._change(version, stage, share if stage == "canary" else 0.0, who, why)

    def rollback(self, *, who: str, why: str, to: str | None = None) -> StageChange:
        """Take back the last promotion that sets prices, or go back to an earlier model. Raises PromotionError, and
        ModelError if that model cannot be run."""
        version, stage = rollback_of(self.rollout(), to)
        if stage == "live":
            self.load(version)
        return self._change(version, stage, 0.0, who, why)

    def _change(self, version: str, stage: Stage, share: float, who: str, why: str) -> StageChange:
        for name, text, most in (("who", who, NAME_MAX), ("why", why, REASON_MAX)):
            if not text.strip() or len(text) > most or has_controls(text):
                raise PromotionError(f"{name} takes one line of 1 to {most} characters")
        change = StageChange(self.rollout().number + 1, version, stage, share, _now_ms(), who.strip(), why.strip())
        if self._write([encode_stage(change)]):
            raise PromotionError("somebody else changed a stage at the same time; look at the list and try again")
        return change

    def _read(self, ask: Callable[[ForecastReader], Coroutine[Any, Any, Answer]]) -> Answer:
        async def read() -> Answer:
            database = open_database(self._dsn, self._schema)
            try:
                return await ask(ForecastReader(database))
            finally:
                await database.close()

        return asyncio.run(read())

    def _write(self, rows: list[bytes]) -> int:
        with closing(open_writer(self._dsn, REGISTRY_TABLES, self._schema)) as writer:
            return writer.write(rows)


def _about_of(raw: bytes) -> AboutModel | None:
    try:
        return msgspec.json.decode(raw, type=AboutModel)
    except msgspec.DecodeError:
        return None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
