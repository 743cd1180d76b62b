"""Answers: JSON, and the part of the OpenAPI description that all routes share.

Answers are encoded by msgspec. The pydantic models of answers serve the OpenAPI description alone."""

from typing import Any

import msgspec
from fastapi.responses import Response
from pydantic import BaseModel, Field

encode_json = msgspec.json.Encoder().encode


def json_response(content: Any, headers: dict[str, str] | None = None) -> Response:
    """An answer with `content` as JSON: anything that msgspec encodes."""
    return Response(encode_json(content), headers=headers, media_type="application/json")


class Error(BaseModel):
    error: str = Field(examples=["no such product"])


_DESCRIPTIONS = {
    400: "The request is malformed.",
    401: "The admin key is missing or wrong.",
    404: "The product is not known, or there is nothing to remove.",
    503: "A service behind the API does not answer; try again. A command that is not confirmed may still take"
    " effect; the header `Command-Id` has its id.",
}


def responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The errors of a route, for its description: `responses=responses(400, 503)`."""
    return {status: {"model": Error, "description": _DESCRIPTIONS[status]} for status in statuses}
