"""Writes fitted models as one ONNX file, and checks it against them.

The file has two inputs, `day` and `hour` (rows, features), and an output for each model: `day_p10` and so on. A run
computes only the outputs that are asked for."""

from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from forecasting.model import BLIND, KINDS, OUTPUTS
from forecasting.training.fit import without_shop

TOLERANCE = 1e-4
"""The largest difference, of a ratio, absolute and relative: ONNX adds in single precision."""

OPSET = 15


def to_onnx(models: dict[str, list[lgb.Booster]]) -> bytes:
    """The models of both kinds as one file. The same models give the same bytes."""
    nodes, inputs, outputs = [], [], []
    opsets: dict[str, int] = {}
    for kind in KINDS:
        count = models[kind][0].num_feature()
        inputs.append(helper.make_tensor_value_info(kind, TensorProto.FLOAT, [None, count]))
        for output, booster in zip(OUTPUTS, models[kind], strict=True):
            name = f"{kind}_{output}"
            types = [("vectors", FloatTensorType([None, count]))]
            single = convert_lightgbm(
                with_single_thresholds(booster), initial_types=types, target_opset=OPSET, zipmap=False
            )
            opsets |= {each.domain: each.version for each in single.opset_import}
            if single.graph.initializer:
                raise ValueError("the converter wrote constants beside the trees")
            for node in single.graph.node:
                _rename(node, single.graph, kind, name)
                nodes.append(node)
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]))
    graph = helper.make_graph(nodes, "forecasts", inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())]
    )
    # The versions that onnxruntime has known for years.
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def with_single_thresholds(booster: lgb.Booster) -> lgb.Booster:
    """The same model with thresholds of single precision, which ONNX has.

    Features are single numbers too. For them, `x <= t` is the same as `x <= s`, where s is the largest single
    number that is not above t. The nearest one would not do: it may be above, and so at a feature's own value."""
    lines = []
    for line in booster.model_to_string().split("\n"):
        # Without the sizes, which are those of the text before, trees are read one after the other.
        if line.startswith("tree_sizes="):
            continue
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), np.float64)
            single = exact.astype(np.float32)
            below = np.where(single.astype(np.float64) > exact, np.nextafter(single, np.float32(-np.inf)), single)
            line = "threshold=" + " ".join(map(repr, below.astype(np.float64).tolist()))
        lines.append(line)
    return lgb.Booster(model_str="\n".join(lines))


def _rename(node: Any, graph: Any, kind: str, name: str) -> None:
    """Give the edges of a graph of one model names of their own."""
    edges = {graph.input[0].name: kind, graph.output[0].name: name}
    node.name = f"{name}/{node.name}"
    for ends in (node.input, node.output):
        for place, edge in enumerate(ends):
            ends[place] = edges.get(edge, f"{name}/{edge}")


def worst_difference(
    raw: bytes, models: dict[str, list[lgb.Booster]], vectors: dict[str, NDArray[np.float32]], names: dict[str, Any]
) -> float:
    """The largest difference between the file and the models it was made of, relative where a value is above 1.
    Raises ValueError if it is above `TOLERANCE`."""
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    worst = 0.0
    for kind in KINDS:
        empty = {other: vectors[other][:0] for other in KINDS}
        for output, booster in zip(OUTPUTS, models[kind], strict=True):
            (found,) = session.run([f"{kind}_{output}"], {**empty, kind: vectors[kind]})
            seen = without_shop(vectors[kind], names[kind]) if output in BLIND else vectors[kind]
            expected = np.asarray(booster.predict(seen))
            difference = np.abs(found[:, 0] - expected) / np.maximum(np.abs(expected), 1.0)
            worst = max(worst, float(difference.max(initial=0.0)))
    if worst > TOLERANCE:
        raise ValueError(f"the ONNX file differs from the model by {worst:.2g}, more than {TOLERANCE:g}")
    return worst
