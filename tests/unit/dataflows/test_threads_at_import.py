"""Libraries that start threads when they are imported come after the start of a process, which blocks signals for
its threads: a signal that such a thread takes ends the process at once."""

import subprocess
import sys

import pytest

from tests.support.pipeline import ROOT

FLOWS = ("pricing", "ticks", "cdc", "sales", "lake", "forecasting")
START_THREADS = {"numpy", "pyarrow", "onnxruntime", "pandas"}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_imports_no_library_that_starts_threads(flow: str) -> None:
    code = f"import sys, dataflows.{flow}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert START_THREADS & set(loaded.split()) == set()
    assert f"dataflows.{flow}" in loaded.split()
