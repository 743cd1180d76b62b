"""A trained model from its folder, ready to run: `model.onnx` and `model.json`."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from forecasting.features import Features
from forecasting.gates import Gate
from forecasting.model import KINDS, OUTPUTS, Blend, ModelError, Units, units_of
from forecasting.names import DAY_FEATURES, HOUR_FEATURES

MODEL_FILE, ABOUT_FILE = "model.onnx", "model.json"
NAMES = {"day": DAY_FEATURES, "hour": HOUR_FEATURES}


class DataFile(msgspec.Struct, frozen=True):
    """A file that was learned from. sha256: of its contents."""

    name: str
    sha256: str


class AboutModel(msgspec.Struct, frozen=True):
    """`model.json`. version: the first digits of sha256, that of `model.onnx`. data_from, data_until: days, the
    last one included. metrics, gates: of days that were held out; empty if there were too few."""

    version: str
    sha256: str
    seed: int
    data: list[DataFile]
    data_from: str
    data_until: str
    features: dict[str, list[str]]
    blend: dict[str, Blend]
    metrics: dict[str, Any]
    gates: list[Gate]
    libraries: dict[str, str]


class Model:
    """A model that runs on one thread. raw: the contents of `model.onnx`. The constructor raises ModelError."""

    def __init__(self, about: AboutModel, raw: bytes) -> None:
        self.about = about
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"model {about.version} cannot be run: {_first_line(error)}") from None
        self._empty = {kind: np.zeros((0, len(NAMES[kind])), np.float32) for kind in KINDS}

    @property
    def version(self) -> str:
        """The version, as in `AboutModel`."""
        return self.about.version

    def ratios(self, kind: str, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The outputs of the models of a kind, as (rows, outputs). Raises ModelError if the model fails."""
        names = [f"{kind}_{output}" for output in OUTPUTS]
        try:
            found = self._session.run(names, {**self._empty, kind: vectors})
        except Exception as error:
            raise ModelError(f"model {self.about.version} failed: {_first_line(error)}") from None
        ratios: NDArray[np.float32] = np.concatenate(found, axis=1)
        if not np.isfinite(ratios).all():
            raise ModelError(f"model {self.about.version} gave no number for some of its rows")
        return ratios

    def forecast(self, kind: str, features: Features) -> Units:
        """Forecasts of units. Raises ModelError if the model fails."""
        return units_of(features, self.ratios(kind, features.vectors), self.about.blend[kind])


def load_model(folder: Path) -> Model:
    """The model of a folder. Raises ModelError."""
    return model_of(*read_files(folder), str(folder))


def read_files(folder: Path) -> tuple[bytes, bytes]:
    """The contents of `model.json` and of `model.onnx`. Raises ModelError."""
    try:
        return (folder / ABOUT_FILE).read_bytes(), (folder / MODEL_FILE).read_bytes()
    except OSError as error:
        raise ModelError(f"{error.filename}: {error.strerror}") from None


def model_of(about: bytes, raw: bytes, place: str) -> Model:
    """A model out of the contents of its files, checked against each other. place: of the files, for errors.
    Raises ModelError."""
    try:
        known = msgspec.json.decode(about, type=AboutModel)
    except msgspec.DecodeError as error:
        raise ModelError(f"{place}: {ABOUT_FILE}: {error}") from None
    if hashlib.sha256(raw).hexdigest() != known.sha256:
        raise ModelError(f"{place}: {MODEL_FILE} is not the file that {ABOUT_FILE} describes; it may be damaged")
    for kind, names in NAMES.items():
        if tuple(known.features.get(kind, ())) != names:
            raise ModelError(f"{place}: it has other features than this version makes; train it again")
        if kind not in known.blend:
            raise ModelError(f"{place}: there is no blend for {kind}")
    return Model(known, raw)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
