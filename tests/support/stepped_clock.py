"""A system clock that a test can set for a Python program: its `time.time` and `time.time_ns` have an offset."""

from pathlib import Path

CUSTOMIZE = """
import os
import time

real = time.time


def stepped():
    with open(os.environ["STEPPED_CLOCK"]) as file:
        return real() + float(file.read() or 0)


time.time = stepped
time.time_ns = lambda: int(stepped() * 1e9)
"""


class SteppedClock:
    """The clock of the programs that get `environment`. It is right until `step`. Only Python code sees it: Bytewax
    and librdkafka keep the system's clock."""

    def __init__(self, folder: Path) -> None:
        modules = folder / "stepped"
        modules.mkdir()
        # Python imports a module of this name at its start.
        (modules / "sitecustomize.py").write_text(CUSTOMIZE, encoding="utf-8")
        self._offset = folder / "clock"
        self.step(0)
        self.environment = {"PYTHONPATH": str(modules), "STEPPED_CLOCK": str(self._offset)}

    def step(self, seconds: int) -> None:
        """Set the clock to the right time plus some seconds."""
        written = self._offset.with_suffix(".new")
        written.write_text(str(seconds), encoding="utf-8")
        written.replace(self._offset)
