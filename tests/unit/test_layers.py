"""Imports point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LAYERS = {"core", "pricing", "connectors", "sinks", "dataflows", "api", "stack", "settings", "telemetry"}
MAY_IMPORT = {
    "core": set(),
    "pricing": {"core"},
    "settings": {"core", "pricing"},
    "telemetry": set(),
    "sinks": {"core", "pricing", "telemetry"},
    "connectors": {"core", "pricing", "telemetry"},
    "dataflows": {"core", "connectors", "sinks", "pricing", "settings", "telemetry"},
    "stack": {"core", "connectors", "sinks", "pricing", "settings", "telemetry"},
    "api": {"core", "connectors", "sinks", "pricing", "settings", "telemetry"},
}
# What the tools that produce start with: they are programs of their own.
ENTRY_POINTS = {"connectors/pacing.py"}
PURE = {"msgspec"}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", sorted(MAY_IMPORT))
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    files = sorted((ROOT / layer).rglob("*.py")) or [ROOT / f"{layer}.py"]
    for path in files:
        name = str(path.relative_to(ROOT))
        allowed = MAY_IMPORT[layer] | {layer} | ({"settings"} if name in ENTRY_POINTS else set())
        assert imports(path) & LAYERS <= allowed, name


def test_pricing_is_pure() -> None:
    forbidden = {"time", "os", "random", "logging", "socket", "threading", "pathlib", "asyncio"}
    standard_and_own = {"core", "pricing", *PURE}
    for path in (path for room in ("core", "pricing") for path in (ROOT / room).glob("*.py")):
        found = imports(path)
        assert not found & forbidden, path.name
        third_party = {name for name in found if name not in standard_and_own} - STANDARD
        assert not third_party, path.name


STANDARD = {
    "collections",
    "enum",
    "hashlib",
    "heapq",
    "math",
    "re",
    "tomllib",
    "typing",
    "zlib",
    "datetime",
}
