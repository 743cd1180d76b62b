"""All errors of Pricewax, but for those of one file alone.

    PricewaxError
    ├── SettingsError          a setting is not usable; the process stops with code 2
    ├── PolicyError            a policy file is not usable
    ├── BadInputError          a message is not usable; it becomes a dead letter
    ├── BoundsUnusableError    a price has no usable bounds; it must not change
    ├── UnavailableError       a server did not answer or refused; the same call may work later
    │   ├── RedisDownError
    │   ├── StoreError         the history database
    │   ├── BacklogError       the backlog topic
    │   └── NotConfirmedError  Kafka did not confirm a command in time
    ├── LetterError            a dead letter cannot be read or sent again
    ├── StoppedError           the process was asked to stop while it waited
    └── StartError             a program of the local stack did not start

The API turns them into answers in `api/web/errors.py`, whose own `ApiError` holds a status. Messages carry no
secrets and have one line."""

from core.dead_letter import ErrorCode


class PricewaxError(Exception):
    """The base of all errors of Pricewax."""


class SettingsError(PricewaxError, ValueError):
    """A setting is not usable. The message is one line: the variable, and what it takes. Never its value."""


class PolicyError(PricewaxError, ValueError):
    """A policy is not usable. The message is one line that names the setting in it."""


class BadInputError(PricewaxError):
    """A message is not usable. `code` and `detail` go into its dead letter."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class BoundsUnusableError(PricewaxError):
    """A bound is missing, inverted or negative; the message says which. The price must not change."""


class UnavailableError(PricewaxError):
    """A server could not be reached or refused. The same call may work later."""


class RedisDownError(UnavailableError):
    """Redis did not answer in time."""


class StoreError(UnavailableError):
    """The history database could not be reached or refused."""


class BacklogError(UnavailableError):
    """Kafka did not answer about the backlog topic."""


class NotConfirmedError(UnavailableError):
    """Kafka did not confirm a command in time."""


class LetterError(PricewaxError):
    """A dead letter cannot be read or sent again. The message says why."""


class StoppedError(PricewaxError):
    """The process was asked to stop while it waited."""


class StartError(PricewaxError):
    """A program did not start. The message says which and shows the end of its output."""


def describe_error(error: BaseException) -> str:
    """One line about an error. Of a driver's error the first line, which names the host at most, never a
    password."""
    lines = str(error).strip().splitlines() or [""]
    return (lines[0] if isinstance(error, PricewaxError) else f"{type(error).__name__}: {lines[0]}")[:300]
