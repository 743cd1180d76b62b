"""The account that Postgres runs under when the demo or the tests run as root: Postgres refuses to be root."""

import os
import pwd
import subprocess
from pathlib import Path

from core.errors import StartError
from stack.process import group_of

# This account owns nothing.
NAME = "nobody"
WITHIN_S = 20.0


def unprivileged_account() -> str | None:
    """The name of the account, or None if this process is not root. Raises StartError if the system has no such
    account."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        raise StartError(
            f"Postgres does not run as root, and this system has no account {NAME}; start as another user"
        ) from None
    return NAME


def refusal(account: str | None, command: list[str | Path]) -> str | None:
    """Run a short command under an account (None: that of this process). Returns None if it succeeds, or else the
    reason in a few words."""
    try:
        done = subprocess.run(
            command,
            user=account,
            group=account and group_of(account),
            extra_groups=[] if account else None,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no answer in time"
    except OSError as error:
        return error.strerror or str(error)
    if done.returncode:
        return done.stderr.strip()[-200:] or f"code {done.returncode}"
    return None


def can_enter(account: str, folder: Path) -> bool:
    """Return True if the account can enter a folder."""
    return refusal(account, ["/bin/sh", "-c", 'cd -- "$0"', folder]) is None
