"""The errors of Pricewax, except those that only one file uses.

    PricewaxError
    ├── SettingsError          a setting is not usable; the process stops with code 2
    ├── StartRefusedError      a flow must not start as it is; the process stops with code 2
    ├── ReadRefusedError       tables cannot be read on without missing a change; the process stops with code 1
    ├── PolicyError            a policy file is not usable
    ├── BadInputError          a message is not usable; it becomes a dead letter
    ├── BoundsUnusableError    a price has no usable bounds; it must not change
    ├── UnavailableError       a server did not answer or refused; the same call may work later
    │   ├── RedisDownError
    │   ├── StoreError         the history database
    │   │   └── SchemaError    it answers, but its tables or rights are not as they must be
    │   ├── BacklogError       the backlog topic
    │   ├── NotAnsweredError   Kafka did not answer in time
    │   ├── BusyError          too much work of a kind waits already
    │   ├── CommandRefusedError  Kafka has not taken a command
    │   └── NotConfirmedError  Kafka did not confirm a command in time; it may have taken it
    ├── MessageTooLargeError   Kafka does not take a command of this size
    ├── LetterError            a dead letter cannot be read or sent again
    │   └── LetterNotFoundError
    ├── StoppedError           the process was asked to stop while it waited
    └── StartError             a program of the local stack did not start

`api/web/errors.py` turns them into HTTP answers; its own `ApiError` holds a status. A message has one line and
holds no secrets."""

from core.dead_letter import ErrorCode


class PricewaxError(Exception):
    """The base of all errors of Pricewax."""


class SettingsError(PricewaxError, ValueError):
    """A setting is not usable. The message is one line with the variable's name and the values that it takes. It
    never holds the value that was set."""


class StartRefusedError(PricewaxError):
    """A flow must not start: another one uses its recovery folder, or its state is missing. The message is one line
    with the reason, and what to do."""


class ReadRefusedError(PricewaxError):
    """The tables of a database cannot be read, or not be read on without missing a change. The message is one line
    with the reason, and what to do."""


class PolicyError(PricewaxError, ValueError):
    """A policy is not usable. The message is one line that names the setting in it."""


class BadInputError(PricewaxError):
    """A message is not usable. `code` and `detail` go into its dead letter."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class BoundsUnusableError(PricewaxError):
    """A bound is missing, inverted or negative. The message names the bound. The price must not change."""


class UnavailableError(PricewaxError):
    """A server did not answer, or it refused the call. The same call may succeed later."""


class RedisDownError(UnavailableError):
    """Redis did not answer in time."""


class StoreError(UnavailableError):
    """The history database did not answer, or it refused the call."""


class SchemaError(StoreError):
    """The history database answers, but its tables or the rights in it are not as they must be. A person has to
    change that. The message says what is wrong."""


class BacklogError(UnavailableError):
    """Kafka did not answer about the backlog topic."""


class NotAnsweredError(UnavailableError):
    """Kafka did not answer in time."""


class BusyError(UnavailableError):
    """So much work of a kind waits already that more would only wait too long."""


class CommandRefusedError(UnavailableError):
    """Kafka has not taken a command. The message gives its reason."""


class NotConfirmedError(UnavailableError):
    """Kafka did not confirm a command or message in time. It may have taken it, so it may still take effect."""


class MessageTooLargeError(PricewaxError):
    """Kafka does not take a command of this size. It was not sent."""


class LetterError(PricewaxError):
    """A dead letter cannot be read or sent again. The message gives the reason."""


class LetterNotFoundError(LetterError):
    """There is no such dead letter among those that are read."""


class StoppedError(PricewaxError):
    """The process was asked to stop while it waited."""


class StartError(PricewaxError):
    """A program did not start. The message names the program and holds the end of its output."""


def describe_error(error: BaseException) -> str:
    """One line about an error, at most 300 characters. For a driver's error: its type and the first line of its
    text, which may name the host but never a password."""
    lines = str(error).strip().splitlines() or [""]
    return (lines[0] if isinstance(error, PricewaxError) else f"{type(error).__name__}: {lines[0]}")[:300]
