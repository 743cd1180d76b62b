"""Publishing of commands, and the words for what became of them: applied, accepted, not confirmed
(docs/decisions/0032)."""

from collections.abc import Awaitable, Callable

import telemetry
from api.commands.applied import AppliedCommands
from api.services import Services
from api.web.errors import ApiError
from core.errors import CommandRefusedError, MessageTooLargeError, NotConfirmedError, RedisDownError
from core.timestamps import to_rfc3339

COMMAND_ID = "Command-Id"
"""The header of a 503 with the id of a command that is not confirmed."""

ACCEPTED = {"status": "accepted"}
"""In the answer to a removal or a lift that Kafka has and the flow has not applied within a second."""


class UnconfirmedError(ApiError):
    """It is not known if Kafka has taken a command. command_id: its time (RFC 3339, UTC)."""

    def __init__(self, at_ms: int, where: str) -> None:
        self.command_id = to_rfc3339(at_ms)
        super().__init__(
            503, f"not confirmed: it may still take effect. Its id is {self.command_id}; if it does, {where}"
        )
        self.headers = {COMMAND_ID: self.command_id}


async def publish(services: Services, topic: str, key: str, value: bytes | None, *, at_ms: int, where: str) -> None:
    """Publish a command. at_ms: its time, UTC milliseconds, which is its id. where: the end of the sentence that
    names the route that shows it. Raises ApiError: `UnconfirmedError` (503) if nothing is known, 503 if Kafka has
    refused it, 400 if it is larger than Kafka takes."""
    try:
        await services.commands.put(topic, key, value, at_ms=at_ms)
    except CommandRefusedError as error:
        telemetry.COMMANDS.labels("refused").inc()
        raise ApiError(503, f"Kafka has refused it, so nothing was changed: {error}") from None
    except MessageTooLargeError as error:
        telemetry.COMMANDS.labels("refused").inc()
        raise ApiError(400, str(error)) from None
    except NotConfirmedError:
        telemetry.COMMANDS.labels("not_confirmed").inc()
        raise UnconfirmedError(at_ms, where) from None


async def wait_until_applied(
    applied: AppliedCommands, name: str, is_applied: Callable[[], Awaitable[bool]]
) -> bool:
    """True once the flow has applied a command, False if it has not within a second. Arguments: of
    `AppliedCommands.wait`."""
    done = await applied.wait(name, is_applied)
    telemetry.COMMANDS.labels("applied" if done else "accepted").inc()
    return done


def reason_of(refusal: ApiError | RedisDownError) -> str:
    """The reason for which a line of a bulk request was not published, in a sentence."""
    return (
        refusal.detail if isinstance(refusal, ApiError) else "the price store does not answer; nothing was changed"
    )
