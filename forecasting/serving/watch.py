"""The models in force, as the registry has them: a thread looks every few seconds, and loads what is new."""

import threading
from collections.abc import Callable
from pathlib import Path

import telemetry
from core.errors import StoreError
from forecasting.model import ModelError
from forecasting.registry.registry import Registry
from forecasting.registry.stages import Rollout
from forecasting.serving.session import Model, load_model

LOOK_EVERY_S = 10.0
ALERT = "forecast_model_unusable"

log = telemetry.get_logger("models")


class ModelWatch:
    """The models in force. Any thread may ask. registry: None without a history database. folder: of a model that
    is used while the registry has none that is live; None for none."""

    def __init__(self, registry: Registry | None, folder: Path | None = None) -> None:
        self._registry = registry
        self._folder = folder
        self.changes = 0
        """Grows when the models in force change. Read by any thread."""

        self._rollout = Rollout()
        self._models: dict[str, Model] = {}
        self._own: Model | None = None
        self._failed: dict[str, str] = {}
        self._usable: object = None
        self._broken = ""

    def start(self, stop: threading.Event) -> None:
        """Look once, so that the first forecasts have a model, and then in a thread until `stop` is set."""
        self.look_safely()

        def watch() -> None:
            while not stop.wait(LOOK_EVERY_S):
                self.look_safely()

        threading.Thread(target=watch, name="models", daemon=True).start()

    def of(self, product_id: str) -> Model | None:
        """The model that forecasts a product; None if there is none that can be used."""
        version = self._rollout.version_for(product_id)
        return self._own if version is None else self._models.get(version)

    @property
    def shadow(self) -> Model | None:
        """The model that is only watched; None if there is none."""
        version = self._rollout.shadow
        return None if version is None else self._models.get(version)

    def look_safely(self) -> None:
        """Look, and raise an alert if that fails in a way that nobody thought of: else models would stand still."""
        try:
            self.look()
        except Exception as error:
            log.exception("the models could not be looked at")
            self._broken = f"{type(error).__name__} while looking at the registry"
            telemetry.set_alert(ALERT, self._broken, holds=True)
        else:
            if self._broken:
                telemetry.set_alert(ALERT, self._broken, holds=False)
                self._broken = ""

    def look(self) -> None:
        """Take the stages of the registry, and load what is new. If the database does not answer, all stays."""
        if self._registry is not None:
            try:
                self._take(self._registry)
            except StoreError as error:
                log.warning("the registry of models does not answer; the models in force stay", error=str(error))
        if self._folder is not None and self._own is None:
            self._own = self._load(str(self._folder), lambda: load_model(self._folder))  # type: ignore[arg-type]
        usable = (self._rollout, tuple(sorted(self._models)), self._own)
        if usable != self._usable:
            self._usable = usable
            self.changes += 1
        telemetry.FORECAST_MODEL.clear()
        for stage, version in (("live", self._rollout.live), ("canary", self._rollout.canary)):
            if version is not None:
                telemetry.FORECAST_MODEL.labels(version, stage).set(float(version in self._models))
        if self._rollout.live is None and self._own is not None:
            telemetry.FORECAST_MODEL.labels(self._own.version, "live").set(1)

    def _take(self, registry: Registry) -> None:
        """Raises StoreError."""
        rollout = registry.rollout()
        wanted = {each for each in (rollout.live, rollout.canary, rollout.shadow) if each is not None}
        for version in wanted - self._models.keys():
            model = self._load(version, lambda version=version: registry.load(version))  # type: ignore[misc]
            if model is not None:
                self._models[version] = model
        if rollout != self._rollout:
            log.info("models in force", live=rollout.live, canary=rollout.canary, shadow=rollout.shadow)
        # The rollout last: whoever reads it finds its models.
        self._rollout = rollout
        for version in self._models.keys() - wanted:
            del self._models[version]
        for name in [name for name in self._failed if name not in wanted and name != str(self._folder)]:
            telemetry.set_alert(ALERT, self._failed.pop(name), holds=False)

    def _load(self, name: str, load: Callable[[], Model]) -> Model | None:
        """A model, or None and an alert. Raises StoreError."""
        try:
            model = load()
        except ModelError as error:
            if self._failed.get(name) != str(error):
                if name in self._failed:
                    telemetry.set_alert(ALERT, self._failed[name], holds=False)
                self._failed[name] = str(error)
                telemetry.set_alert(ALERT, str(error), holds=True)
                log.error("a model cannot be used; its products get simpler forecasts", error=str(error))
            return None
        if name in self._failed:
            telemetry.set_alert(ALERT, self._failed.pop(name), holds=False)
        return model
