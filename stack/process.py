"""Child processes: start and stop a program so that nothing of it is left, in whichever way the parent ends."""

import ctypes
import importlib.util
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from core.errors import StartError

STOP_WITHIN_S = 10.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

LOCAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The ports of outgoing connections, on Linux. `LOCAL_PORTS_FROM`: the first of them on other systems."""

LOCAL_PORTS_FROM = 49_152
PORTS_FROM = 10_000
TRIED_PORTS = 100

OnLine = Callable[[str], None]


def free_port() -> int:
    """Return a TCP port of loopback that is free now. The system gives none of these to outgoing connections, so
    that none of them takes the port before a server does."""
    try:
        end = int(LOCAL_PORTS.read_text(encoding="ascii").split()[0])
    except OSError:
        end = LOCAL_PORTS_FROM
    ports = range(PORTS_FROM, end)
    for port in random.sample(ports, min(TRIED_PORTS, len(ports))):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Return True if a TCP connection to a loopback port succeeds."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(url: str) -> str:
    """GET `url` of one of our servers, past any proxy of the environment. Raises OSError, also for a status of
    400 or more."""
    with _direct.open(url, timeout=2) as answer:
        text: str = answer.read().decode()
        return text


def answers(url: str) -> bool:
    """Return True if one of our servers answers a GET of `url` with a status below 400."""
    try:
        fetch(url)
    except OSError:
        return False
    return True


class Program:
    """A child process in a session of its own. On Linux it ends with its parent, even if the parent is killed.

    A thread reads its output (standard output and standard error) and gives each line to `on_line`. `tail` has the
    last 40 lines, for error messages. Start programs from the main thread only: Linux ends the child when the
    thread that made it ends. Raises StartError if the program cannot be run at all."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        on_line: OnLine | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.tail: list[str] = []
        self._on_line = on_line
        self._stop_signal = stop_signal
        try:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user,
                group=user and group_of(user),
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if _LIBC else None,  # noqa: PLW1509  # one prctl, nothing that locks
            )
        except OSError as error:
            as_user = f" as {user}" if user else ""
            raise StartError(f"{name} cannot be run{as_user} ({command[0]}): {error.strerror}") from None
        self._reader = threading.Thread(target=self._read, name=f"output-{name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Return True if the process has not ended."""
        return self.process.poll() is None

    def wait_until(self, ready: Callable[[], bool], within_s: float, what: str = "be ready") -> None:
        """Wait until `ready()` is true, for at most `within_s` seconds. `what` completes the error text "did not
        ...". Raises StartError if the program ends first or the time is over."""
        deadline = time.monotonic() + within_s
        while not ready():
            if not self.running:
                raise StartError(f"{self.name} ended with code {self.process.returncode}{self._output()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} did not {what} within {within_s:.0f} s{self._output()}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Send the stop signal, and SIGKILL if the program still runs after `STOP_WITHIN_S`; returns its exit
        code."""
        if self.running:
            self.send(self._stop_signal)
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._finish()
        return self.process.returncode

    def kill(self) -> None:
        """Send SIGKILL to the program and to the processes that it started."""
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._finish()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program only."""
        self.process.send_signal(number)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.tail = [*self.tail[-39:], line]
            if self._on_line is not None:
                self._on_line(line)

    def _finish(self) -> None:
        self._reader.join(2.0)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _output(self) -> str:
        return "".join(f"\n  {line}" for line in self.tail[-10:])


def group_of(user: str) -> int:
    """Return the id of an account's own group."""
    return pwd.getpwnam(user).pw_gid


def _end_with_parent() -> None:
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it. Raises StartError if it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise StartError(f"the package {name} is not installed; run make setup")
    return Path(spec.origin).parent
