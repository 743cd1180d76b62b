"""Routes of dead letters: list the newest, and send one to its topic again."""

import asyncio
from typing import Annotated, Any

from confluent_kafka import KafkaException
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.operations import models
from api.services import services_of
from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, LimitQuery, body_of, read_body
from api.web.responses import json_response, responses
from core.errors import LetterError
from core.positions import SourcePosition
from sinks.dead_letters.reader import Letter

DEFAULT_LIMIT = 50
RAW_SHOWN_BYTES = 4_000

router = APIRouter(tags=["dead letters"])


@router.get("/dead-letters", response_model=models.DeadLetterList, responses=responses(400, 401, 503))
async def list_dead_letters(
    request: Request,
    limit: LimitQuery = None,
    code: Annotated[str | None, Query(max_length=64, description="Only letters with this error code.")] = None,
) -> Response:
    """The newest messages that could not be used, newest first."""
    topic = services_of(request).dead_letters
    try:
        letters = await asyncio.to_thread(topic.newest, min(limit or DEFAULT_LIMIT, PAGE_MAX), code)
    except (LetterError, KafkaException):
        raise ApiError(503, "Kafka does not answer") from None
    return json_response({"dead_letters": [_shown(letter) for letter in letters]})


@router.post(
    "/dead-letters/replay",
    response_model=models.Replayed,
    responses=responses(400, 401, 404, 503),
    openapi_extra=body_of(models.ReplayRequest),
)
async def replay(request: Request) -> Response:
    """Send a message to its topic again, as it was or with another value: for after a fix."""
    topic = services_of(request).dead_letters
    body = await read_body(request, models.ReplayRequest)
    source = SourcePosition(body.source.topic, body.source.partition, body.source.offset)
    value = None if body.value is None else body.value.encode()
    try:
        await asyncio.to_thread(topic.replay, source, value, again=body.again)
    except LetterError as error:
        raise ApiError(404 if "no such" in str(error) else 400, str(error)) from None
    except KafkaException:
        raise ApiError(503, "Kafka does not answer") from None
    return json_response({"source": source, "replayed": True})


def _shown(letter: Letter) -> dict[str, Any]:
    raw = letter.raw_bytes
    return {
        "error_code": letter.error_code,
        "stage": letter.stage,
        "detail": letter.detail,
        "source": letter.source,
        "text": raw[:RAW_SHOWN_BYTES].decode(errors="backslashreplace"),
        "raw_size": letter.raw_size,
        "at": letter.at,
        "replayed": letter.replayed,
    }
