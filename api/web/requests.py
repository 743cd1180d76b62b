"""Requests: reading and checking the parts that routes of every system have (ids, pages, times, bodies)."""

from typing import Annotated, Any, TypeVar

from fastapi import Path, Query, Request
from pydantic import BaseModel, BeforeValidator, StrictInt, ValidationError

from api.web.errors import ApiError, describe
from core.identifiers import IDENTIFIER, is_identifier
from core.timestamps import LATEST_MS, parse_rfc3339

PAGE_MAX = 500
"""Most entries of a page, and most ids in a request."""

ID_PATTERN = f"^{IDENTIFIER.pattern}$"
IDS_PATTERN = f"^{IDENTIFIER.pattern}(,{IDENTIFIER.pattern}){{0,{PAGE_MAX - 1}}}$"
"""Ids separated by commas, as a pattern for the OpenAPI description."""

ProductId = Annotated[str, Path(pattern=ID_PATTERN, description="A product id.", examples=["85123A"])]
LimitQuery = Annotated[int | None, Query(ge=1, description=f"How many; more than {PAGE_MAX} means {PAGE_MAX}.")]
FromQuery = Annotated[
    str | None,
    Query(
        alias="from",
        description="RFC 3339, inclusive.",
        examples=["2011-12-05T00:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
ToQuery = Annotated[
    str | None,
    Query(alias="to", description="RFC 3339, exclusive.", json_schema_extra={"format": "date-time"}),
]

Body = TypeVar("Body", bound=BaseModel)


def _without_fraction(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WholeNumber = Annotated[StrictInt, BeforeValidator(_without_fraction)]
"""An integer. In JSON, 5.0 is one too."""


def check_id(text: str, *, noun: str) -> str:
    """The same text, if it is an identifier. Raises ApiError (400), worded for a `noun` such as `product`."""
    if not is_identifier(text):
        raise ApiError(400, f"{noun}_id takes 1 to 64 letters, digits, dots, colons, hyphens and underscores")
    return text


def parse_ids(text: str, *, noun: str) -> list[str]:
    """Ids of a list separated by commas, in its order, repeated ones included. Raises ApiError (400) if an id is
    malformed, or if there are more than PAGE_MAX."""
    ids = text.split(",")
    if len(ids) > PAGE_MAX:
        raise ApiError(400, f"at most {PAGE_MAX} {noun} ids")
    return [check_id(each, noun=noun) for each in ids]


def parse_time(parameter: str, text: str | None) -> int | None:
    """A time parameter (RFC 3339) as UTC milliseconds, from 1970 to LATEST_MS: no event is outside of it. None if
    the parameter is not given. Raises ApiError (400)."""
    if text is None:
        return None
    try:
        # The plus sign of a time zone arrives as a space, if the client did not encode it.
        time_ms = parse_rfc3339(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except ValueError as error:
        raise ApiError(400, f"{parameter} {error}") from None
    return min(max(time_ms, 0), LATEST_MS)


async def read_body(request: Request, model: type[Body]) -> Body:
    """The JSON body as a model; the Content-Type does not matter. Raises ApiError (400)."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise ApiError(400, describe(error.errors()[0])) from None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads with `read_body`, as its `openapi_extra`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    # A model inside this one is also part of an answer, so it is among the components already.
    schema.pop("$defs", None)
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
