"""Models as ONNX files: the same answers, also where a feature is at a threshold."""

import lightgbm as lgb
import numpy as np
import pytest

from forecasting.model import BLIND, SEES_SHOP
from forecasting.names import DAY_FEATURES, HOUR_FEATURES
from forecasting.training.export import to_onnx, with_single_thresholds, worst_difference
from forecasting.training.fit import without_shop

NAMES = {"day": DAY_FEATURES, "hour": HOUR_FEATURES}


def neighbours(rows: int, columns: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Values of which most have others right beside them: thresholds lie between neighbours of single precision."""
    random = np.random.default_rng(5)
    values = random.choice(np.array([0.1, 1.0, 100.7], np.float32), (rows, columns))
    for _ in range(3):
        values = np.where(random.random(values.shape) < 0.5, np.nextafter(values, np.float32(np.inf)), values)
    return values.astype(np.float32)


def fitted(kind: str) -> "tuple[list[lgb.Booster], np.ndarray[tuple[int, int], np.dtype[np.float32]]]":
    vectors = neighbours(4000, len(NAMES[kind]))
    random = np.random.default_rng(6)
    target = (vectors.astype(np.float64) * 1e7 % 7).sum(axis=1) + random.random(len(vectors))
    learning = {"verbose": -1, "num_leaves": 31, "min_data_in_leaf": 5, "min_data_in_bin": 1, "max_bin": 1023}
    learning["num_threads"] = 1
    blind = without_shop(vectors, NAMES[kind])
    seeing, seen = lgb.train(learning, lgb.Dataset(vectors, target), 20), vectors
    return [seeing] * len(SEES_SHOP) + [lgb.train(learning, lgb.Dataset(blind, target), 20)] * len(BLIND), seen


def test_the_file_answers_as_the_model_does_at_its_thresholds() -> None:
    both = {kind: fitted(kind) for kind in NAMES}
    models = {kind: found[0] for kind, found in both.items()}
    vectors = {kind: found[1] for kind, found in both.items()}
    assert worst_difference(to_onnx(models), models, vectors, NAMES) < 1e-5
    for kind, found in models.items():
        for model in found:
            again = np.asarray(with_single_thresholds(model).predict(vectors[kind]))
            assert again.tolist() == np.asarray(model.predict(vectors[kind])).tolist()


def test_a_file_of_other_models_is_refused() -> None:
    models = {kind: fitted(kind)[0] for kind in NAMES}
    others = {kind: found[::-1] for kind, found in models.items()}
    vectors = {kind: fitted(kind)[1] for kind in NAMES}
    with pytest.raises(ValueError, match="differs from the model by"):
        worst_difference(to_onnx(others), models, vectors, NAMES)
