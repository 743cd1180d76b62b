"""Routes of dead letters: list the newest, and send one to its topic again."""

from functools import partial
from typing import Annotated, Any

from confluent_kafka import KafkaException
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.operations import models
from api.services import services_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery, body_of, read_body
from api.web.responses import json_response, responses
from core.errors import BusyError, LetterError, LetterNotFoundError, NotAnsweredError, NotConfirmedError
from core.positions import SourcePosition
from sinks.dead_letters.reader import SHOWN_BYTES, Letter

DEFAULT_LIMIT = 50
READ_WITHIN_S = 2.7
"""Seconds in which the topic is read: a little less than the 3 s in which every read of the API is answered."""

REPLAY_WITHIN_S = 8.0

router = APIRouter(tags=["dead letters"])


@router.get("/dead-letters", response_model=models.DeadLetterList, responses=responses(400, 401, 503))
async def list_dead_letters(
    request: Request,
    limit: LimitQuery = None,
    code: Annotated[str | None, Query(max_length=64, description="Only letters with this error code.")] = None,
) -> Response:
    """The newest messages that could not be used, newest first. `complete` is false if they could not all be read
    in time: older ones may then be missing."""
    services = services_of(request)
    read = partial(
        services.dead_letters.newest, min(limit or DEFAULT_LIMIT, PAGE_MAX), code, within_s=READ_WITHIN_S
    )
    try:
        found = await services.letter_reads.run(read)
    except BusyError as busy:
        raise ApiError(503, str(busy)) from None
    except (LetterError, NotAnsweredError, KafkaException):
        raise ApiError(503, "Kafka does not answer") from None
    return json_response({"dead_letters": [_shown(each) for each in found.letters], "complete": found.complete})


@router.post(
    "/dead-letters/replay",
    response_model=models.Replayed,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(models.ReplayRequest),
)
async def replay_letter(request: Request) -> Response:
    """Send a message to its topic again, as it was or with another value: for after a fix."""
    services = services_of(request)
    body = await read_body(request, models.ReplayRequest)
    source = SourcePosition(body.source.topic, body.source.partition, body.source.offset)
    value = None if body.value is None else body.value.encode()
    replay = partial(services.dead_letters.replay, source, value, again=body.again, within_s=REPLAY_WITHIN_S)
    try:
        await services.letter_replays.run(replay)
    except LetterError as error:
        raise ApiError(404 if isinstance(error, LetterNotFoundError) else 400, str(error)) from None
    except (BusyError, NotConfirmedError) as error:
        raise ApiError(503, str(error)) from None
    except (NotAnsweredError, KafkaException):
        raise ApiError(503, "Kafka does not answer") from None
    return json_response({"source": source, "replayed": True})


def _shown(letter: Letter) -> dict[str, Any]:
    raw = letter.raw_bytes
    return {
        "error_code": letter.error_code,
        "stage": letter.stage,
        "detail": letter.detail,
        "source": letter.source,
        "text": raw[:SHOWN_BYTES].decode(errors="backslashreplace"),
        "raw_size": letter.raw_size,
        "at": letter.at,
        "replayed": letter.replayed,
    }
