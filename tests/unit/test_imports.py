"""The import rules of the house (CONTRIBUTING.md, "Rooms and systems"), over all modules, without exceptions.

1. Down the stairs only: `core` below systems and `clients`, these below `connectors` and `sinks`, these below
   `dataflows`. `api` takes core, systems, clients and the read side of sinks. `tools` and `stack` start processes.
   What is not pure of forecasting (training, evaluation, serving, registry, commands) takes what `tools` does.
2. A file named after a system imports that system only.
3. Bytewax is imported in `connectors/`, `dataflows/` and files called `sink.py`. No circles between modules.
"""

import ast
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.pipeline import ROOT

SYSTEMS = ("pricing", "market", "sales", "forecasting", "experiments")
PURE_SYSTEMS = ("pricing", "market", "sales", "forecasting")
ROOMS = ("core", *SYSTEMS, "clients", "connectors", "sinks", "dataflows", "api", "tools", "stack")
FILES = ("settings.py", "forecast_settings.py", "lake_settings.py", "setting_values.py", "telemetry.py")

BELOW: dict[str, set[str]] = {
    "telemetry": {"core"},
    "core": {"core"},
    **{system: {"core", system} for system in SYSTEMS},
    "clients": {"core", "clients", "telemetry"},
    "setting_values": {"clients"},
    "lake_settings": {"setting_values"},
    "forecast_settings": {"setting_values"},
    "settings": {"core", "pricing", "market", "clients", "forecast_settings", "lake_settings", "setting_values"},
    "connectors": {"core", *SYSTEMS, "clients", "connectors", "telemetry"},
    "sinks": {"core", *SYSTEMS, "clients", "sinks", "telemetry"},
    "dataflows": {"core", *SYSTEMS, "clients", "connectors", "sinks", "dataflows", "settings", "telemetry"},
    "api": {"core", *SYSTEMS, "clients", "sinks", "api", "settings", "telemetry"},
    "tools": {"core", *SYSTEMS, "clients", "connectors", "sinks", "tools", "settings", "telemetry"},
    "stack": {"core", "clients", "stack"},
}
"""Room to the rooms that it may import, itself included."""

FORECASTING_COMMANDS = ("commands", "train", "predict", "evaluate", "models")
FORECASTING_ROOMS = ("training", "evaluation", "serving", "registry")
"""The parts of forecasting that are not pure."""

PURE_LIBRARIES = {"iso4217", "msgspec"}
IMPURE = {"asyncio", "logging", "os", "pathlib", "random", "socket", "subprocess", "threading", "time", "urllib"}
CONNECTIONS = {
    *("Producer", "Consumer", "AdminClient", "confluent_kafka.Producer", "confluent_kafka.Consumer"),
    *("redis.Redis", "redis.from_url", "aioredis.Redis", "Redis", "BlockingConnectionPool", "Sentinel"),
    *("psycopg.connect", "AsyncConnectionPool", "ConnectionPool", "oracledb.connect", "oracledb.create_pool_async"),
}
"""Calls that make a connection, or an object that does."""

WRITE_SIDE = {"sink", "writer", "fan_out"}


def modules() -> dict[str, Path]:
    """Return dotted name to path, for every module of the rooms."""
    found = {Path(name).stem: ROOT / name for name in FILES}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def imports(name: str) -> frozenset[str]:
    """Return the dotted names of everything that a module imports, also inside functions. For our own code these
    are modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            module = node.module or ""
            # `from a.b import c`: c may be a module.
            inner = {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {module}
            if any(f"{module}.{alias.name}" not in MODULES for alias in node.names):
                found.add(module)
    return frozenset(found)


def room(name: str) -> str:
    return name.split(".")[0]


def is_forecasting_at_work(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "forecasting" and len(parts) > 1 and parts[1] in FORECASTING_COMMANDS + FORECASTING_ROOMS


def is_pure(name: str) -> bool:
    return room(name) in ("core", *PURE_SYSTEMS) and not is_forecasting_at_work(name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down_the_stairs(name: str) -> None:
    ours = {each for each in imports(name) if room(each) in {*ROOMS, "settings", "telemetry"}}
    allowed = BELOW["tools"] if is_forecasting_at_work(name) else BELOW[room(name)]
    assert {each for each in ours if room(each) not in allowed} == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_file_named_after_a_system_imports_that_system_only(name: str) -> None:
    named = {part for part in name.split(".") if part in SYSTEMS}
    if not named:
        return
    systems = {room(each) for each in imports(name) if room(each) in SYSTEMS}
    systems |= {part for each in imports(name) for part in each.split(".")[1:] if part in SYSTEMS}
    assert systems <= named


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if is_pure(name)])
def test_pure_rooms_take_no_clock_no_files_and_no_library(name: str) -> None:
    tops = {room(each) for each in imports(name)}
    assert tops & IMPURE == set()
    libraries = PURE_LIBRARIES | {"numpy"} if room(name) == "forecasting" else PURE_LIBRARIES
    assert tops - sys.stdlib_module_names - libraries - {*ROOMS} == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_bytewax_stays_in_its_rooms(name: str) -> None:
    parts = name.split(".")
    if parts[0] in ("connectors", "dataflows") or parts[-1] in ("sink", "fan_out"):
        return
    assert not {each for each in imports(name) if room(each) == "bytewax"}


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if room(name) not in ("clients", "stack")])
def test_connections_are_made_in_clients(name: str) -> None:
    """`stack` only asks the servers that it starts whether they answer."""
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert called & CONNECTIONS == set()


@pytest.mark.parametrize("name", [name for name in sorted(MODULES) if room(name) == "api"])
def test_the_api_takes_the_read_side_of_sinks(name: str) -> None:
    """The API imports neither Bytewax nor a writer's thread, also not by way of another module."""
    reached, todo = set(), [name]
    while todo:
        for each in imports(todo.pop()) & MODULES.keys():
            if each not in reached:
                reached.add(each)
                todo.append(each)
    assert not {each for each in reached if room(each) in ("connectors", "dataflows")}
    assert not {each for each in reached if room(each) == "sinks" and each.split(".")[-1] in WRITE_SIDE}


def test_no_module_is_imported_in_a_circle() -> None:
    graph = {name: imports(name) & MODULES.keys() - {name} for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
