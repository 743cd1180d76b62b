"""A model of the small shop, trained once."""

from pathlib import Path

import pytest

from tests.support.small_model import trained_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that passed no gate: it was trained with few rounds."""
    return trained_model(tmp_path_factory.mktemp("model"))
