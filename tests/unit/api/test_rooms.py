"""The shared rooms of the API, `web/` and `live/`, know no system."""

import ast
from pathlib import Path

import pytest

API = Path(__file__).parent.parent.parent.parent / "api"
SHARED = sorted(path for room in ("web", "live") for path in (API / room).glob("*.py"))
SYSTEMS = ("pricing", "market", "sales", "forecasting", "experiments")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SHARED, ids=[path.name for path in SHARED])
def test_a_shared_room_imports_no_system(path: Path) -> None:
    systems = {f"{package}{system}" for package in ("", "api.") for system in (*SYSTEMS, "operations", "services")}
    assert not {name for name in imported(path) if any(f"{name}.".startswith(f"{each}.") for each in systems)}


@pytest.mark.parametrize("path", sorted((API / "live").glob("*.py")), ids=lambda path: path.name)
def test_the_live_room_names_no_product(path: Path) -> None:
    names = {
        node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
    }
    arguments = {
        node.arg for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.arg)
    }
    assert not {name for name in names | arguments if "product" in name.lower() or "price" in name.lower()}
