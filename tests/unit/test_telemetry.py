"""Each process exports the metrics that it sets, and no other."""

import re
import subprocess
import sys

import pytest
from prometheus_client import Counter, Gauge, Histogram

import telemetry
from tests.support.pipeline import ROOT

NAMES = [name for name, each in vars(telemetry).items() if isinstance(each, Counter | Gauge | Histogram)]


def named_in(*rooms: str) -> set[str]:
    """The names of metrics that the files of rooms use."""
    text = "".join(path.read_text(encoding="utf-8") for room in rooms for path in (ROOT / room).rglob("*.py"))
    return set(re.findall(r"telemetry\.([A-Z_]+)\b", text)) & set(NAMES)


@pytest.mark.parametrize("process", ["flow", "api"])
def test_a_process_exports_its_own_metrics_only(process: str) -> None:
    code = (
        f"import telemetry, prometheus_client as p; telemetry.export_only({process!r})\n"
        "print('\\n'.join(family.name for family in p.REGISTRY.collect()))"
    )
    exported = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pricewax_alert" in exported
    assert ("pricewax_products" in exported) == (process == "flow")
    assert ("pricewax_api_requests" in exported) == (process == "api")
    assert "python_info" in exported


def test_every_metric_belongs_to_the_process_that_sets_it() -> None:
    assert len(NAMES) > 20
    of_api = {name for name in NAMES if getattr(telemetry, name) in telemetry.API_METRICS}
    shared = {name for name in NAMES if getattr(telemetry, name) in telemetry.SHARED_METRICS}
    assert named_in("api") <= of_api | shared
    assert not named_in("connectors", "dataflows", "pricing") & of_api
