"""The walkthroughs in docs/walkthroughs and the first change of CONTRIBUTING.md, run on a copy of the tree.

A `diff` block changes the file that the line above it names. A `python` block is a whole file. In a `console`
block, each line with `$` is a command, and its output must contain the lines below it. All other blocks are
skipped. So this test fails if a walkthrough does not fit the code any more."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.pipeline import ROOT

FOLDER = ROOT / "docs" / "walkthroughs"
WALKTHROUGHS = [ROOT / "CONTRIBUTING.md", *sorted(FOLDER.glob("*.md"))]
KINDS = {"console", "diff", "python"}
COPIED = ("*.py", "*.lua", "*.sql", "*.jsonl", "*.bin", ".env.example", "README.md", "pyproject.toml")
NOT_COPIED = {".cache", ".git", ".venv", "dashboard", "data", "docs", "node_modules"}
PYTHON = ".venv/bin/"
WITHIN_S = 120

_BLOCK = re.compile(r"(?:^(?P<above>[^\n]+):\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`([\w./-]+)`")


class Block(msgspec.Struct, frozen=True):
    """A fenced block. `path`: the file that it changes or makes; None for a `console` block."""

    kind: str
    path: str | None
    text: str


def blocks_of(document: str) -> list[Block]:
    blocks = []
    for match in _BLOCK.finditer(document):
        path = None
        if match["kind"] not in KINDS:
            continue
        if match["kind"] != "console":
            paths = _PATH.findall(match["above"] or "")
            assert len(paths) == 1, f"the line above a block names one file: {match['above']}"
            (path,) = paths
        blocks.append(Block(match["kind"], path, match["text"]))
    return blocks


def change(tree: Path, block: Block) -> None:
    assert block.path is not None
    file = tree / block.path
    if block.kind != "diff":
        assert not file.exists(), f"{block.path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    for hunk in re.split(r"^@@.*\n", block.text, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        assert all(line[0] in " +-\n" for line in lines), hunk
        # Editors remove the space that stands for an empty line in a diff.
        before = "".join(line[1:] or line for line in lines if line[0] != "+")
        after = "".join(line[1:] or line for line in lines if line[0] != "-")
        assert before != after
        assert text.count(before) == 1, f"not once in {block.path}:\n{before}"
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


def run(tree: Path, block: Block) -> None:
    """Run each command of a block, and assert that its output has the lines below it."""
    # Loading pytest's plugins takes longer than these tests.
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "RUFF_NO_CACHE": "true"}
    environment = {**os.environ, **quick}
    for entry in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *expected = entry.splitlines()
        program, *arguments = shlex.split(command)
        assert program.startswith(PYTHON), command
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program.removeprefix(PYTHON))), *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        output = done.stdout + done.stderr
        for line in expected:
            assert line in output, f"{command} does not say {line!r}:\n{output}"
        fails = any(re.match(r"\d+ (failed|error)", line) for line in expected)
        assert (done.returncode != 0) is fails, f"{command}:\n{output}"


def copy_of_the_tree(folder: Path) -> Path:
    tree = folder / "pricewax"
    pick = shutil.ignore_patterns(*COPIED)

    def ignore(path: str, names: list[str]) -> set[str]:
        files = {name for name in names if not (Path(path) / name).is_dir()}
        hidden = {name for name in set(names) - files if name.startswith(".") or name in NOT_COPIED}
        return hidden | (files - pick(path, list(files)))

    shutil.copytree(ROOT, tree, ignore=ignore)
    return tree


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=[path.stem for path in WALKTHROUGHS])
def test_a_walkthrough_does_what_it_says(path: Path, tmp_path: Path) -> None:
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    assert {block.kind for block in blocks} >= {"diff", "console"}
    tree = copy_of_the_tree(tmp_path)
    for block in blocks:
        if block.kind == "console":
            run(tree, block)
        else:
            change(tree, block)


def test_there_are_walkthroughs() -> None:
    assert {path.stem for path in WALKTHROUGHS} >= {"CONTRIBUTING", "add-a-rule", "add-a-signal", "add-a-sink"}


def test_a_change_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("one\ntwo\n", encoding="utf-8")
    change(tmp_path, Block("diff", "rules.py", " one\n-two\n+three\n"))
    assert (tmp_path / "rules.py").read_text(encoding="utf-8") == "one\nthree\n"
    with pytest.raises(AssertionError, match=r"not once in rules\.py"):
        change(tmp_path, Block("diff", "rules.py", " one\n-two\n+four\n"))
    with pytest.raises(AssertionError, match="does not say"):
        run(tmp_path, Block("console", None, "$ .venv/bin/python --version\nPython 2\n"))
