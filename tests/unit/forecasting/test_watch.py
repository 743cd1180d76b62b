"""The watch of models: what is in force, what is loaded, and what happens when something is missing."""

from pathlib import Path

import pytest

import telemetry
from core.errors import StoreError
from forecasting.model import ModelError
from forecasting.registry.registry import Registry
from forecasting.registry.stages import Rollout, is_chosen
from forecasting.serving.session import Model, load_model
from forecasting.serving.watch import ALERT, ModelWatch

CHOSEN = next(f"{number}" for number in range(1000) if is_chosen(f"{number}", 0.1))
OTHER = next(f"{number}" for number in range(1000) if not is_chosen(f"{number}", 0.1))


class Shelf(Registry):
    """A registry in memory. `down`: the database does not answer. `broken`: versions that cannot be loaded."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.state = Rollout()
        self.down = False
        self.broken: set[str] = set()
        self.loads: list[str] = []

    def rollout(self) -> Rollout:
        if self.down:
            raise StoreError("away")
        return self.state

    def load(self, version: str) -> Model:
        if self.down:
            raise StoreError("away")
        self.loads.append(version)
        if version in self.broken:
            raise ModelError(f"model {version} may be damaged")
        return self.model


@pytest.fixture
def shelf(model_folder: Path) -> Shelf:
    return Shelf(load_model(model_folder))


def alerts() -> list[str]:
    return [subject for code, subject in telemetry.alerts_in_force() if code == ALERT]


def test_products_get_the_model_of_their_stage(shelf: Shelf) -> None:
    watch = ModelWatch(shelf)
    watch.look()
    assert (watch.of(CHOSEN), watch.shadow, watch.changes) == (None, None, 1)
    shelf.state = Rollout("a", "b", 0.1, "c")
    watch.look()
    assert watch.changes == 2
    assert sorted(shelf.loads) == ["a", "b", "c"]
    assert watch.of(CHOSEN) is watch.of(OTHER) is shelf.model is watch.shadow
    watch.look()
    assert (len(shelf.loads), watch.changes) == (3, 2)


def test_a_database_that_is_away_changes_nothing(shelf: Shelf) -> None:
    watch = ModelWatch(shelf)
    shelf.state = Rollout("a")
    watch.look()
    shelf.down = True
    watch.look()
    assert watch.of(OTHER) is shelf.model
    assert alerts() == []


def test_a_model_that_cannot_be_loaded_raises_an_alert_until_it_can(shelf: Shelf) -> None:
    watch = ModelWatch(shelf)
    shelf.state, shelf.broken = Rollout("a", "b", 0.1), {"b"}
    watch.look()
    assert (watch.of(OTHER), watch.of(CHOSEN)) == (shelf.model, None)
    assert alerts() == ["model b may be damaged"]
    watch.look()
    assert shelf.loads.count("b") == 2
    shelf.broken.clear()
    watch.look()
    assert watch.of(CHOSEN) is shelf.model
    assert alerts() == []
    shelf.broken, shelf.state = {"d"}, Rollout("d")
    watch.look()
    assert alerts() == ["model d may be damaged"]
    shelf.state = Rollout("a")
    watch.look()
    assert alerts() == []


def test_an_error_that_nobody_thought_of_is_an_alert_and_no_end(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ModelWatch(shelf)
    shelf.state = Rollout("a")

    def fail() -> Rollout:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(shelf, "rollout", fail)
        watch.look_safely()
        watch.look_safely()
        assert alerts() == ["ZeroDivisionError while looking at the registry"]
    watch.look_safely()
    assert alerts() == []
    assert watch.of(OTHER) is shelf.model


def test_a_folder_serves_while_the_registry_has_no_live_model(
    shelf: Shelf, model_folder: Path, tmp_path: Path
) -> None:
    watch = ModelWatch(shelf, model_folder)
    watch.look()
    own = watch.of(OTHER)
    assert own is not None
    assert own is not shelf.model
    shelf.state = Rollout("a")
    watch.look()
    assert watch.of(OTHER) is shelf.model
    nowhere = ModelWatch(None, tmp_path)
    nowhere.look()
    assert nowhere.of(OTHER) is None
    assert len(alerts()) == 1
