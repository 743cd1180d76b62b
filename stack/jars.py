"""Jars of Maven Central, which a program in Java needs. They are fetched once, into `.cache`."""

import fcntl
import shutil
import subprocess
from pathlib import Path

from core.errors import StartError

CACHE = Path(__file__).parent.parent / ".cache"


class Jars:
    """The jars of a pom. name: of their folder, with the version, and for people."""

    def __init__(self, name: str, pom: Path) -> None:
        self.folder = CACHE / name
        self.class_path = f"{self.folder / 'libs'}/*"
        self._name = name
        self._pom = pom

    @property
    def are_available(self) -> bool:
        """True if Java is installed, and the jars are here or Maven can fetch them."""
        return shutil.which("java") is not None and (self._are_here or shutil.which("mvn") is not None)

    @property
    def _are_here(self) -> bool:
        return (self.folder / "complete").exists()

    def install(self) -> None:
        """Fetch the jars if they are not here yet. Raises StartError."""
        if self._are_here:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            # Two processes may start at once.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._are_here:
                self._fetch()

    def _fetch(self) -> None:
        command = ["mvn", "-q", "-B", "-f", str(self._pom), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={self.folder / 'libs'}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StartError(f"Maven could not fetch {self._name}: {(done.stdout + done.stderr).strip()[-500:]}")
        (self.folder / "complete").touch()
