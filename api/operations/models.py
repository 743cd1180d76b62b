"""Models of the routes for operations. Bodies of requests are validated with them; models of answers serve the
OpenAPI description alone. A docstring of a model would be part of it, so the fields describe themselves."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from api.pricing.command_models import FreezeShown


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready", "not ready"]
    checks: dict[str, Literal["up", "down"]]


class Status(BaseModel):
    at_ms: int
    dependencies: dict[str, Literal["up", "down", "none"]]
    flow: dict[str, Any] | None
    relay: dict[str, Any]
    freezes: list[FreezeShown] | None
    policy: dict[str, Any]
    versions: dict[str, str]


def _without_fraction(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WholeNumber = Annotated[StrictInt, BeforeValidator(_without_fraction)]
"""An integer. In JSON, 5.0 is one too."""


class SourceShown(BaseModel):
    model_config = ConfigDict(extra="forbid")

    topic: StrictStr = Field(min_length=1, max_length=249)
    partition: WholeNumber = Field(ge=0, lt=2**31)
    offset: WholeNumber = Field(ge=0, lt=2**63)


class DeadLetterShown(BaseModel):
    error_code: str
    stage: str
    detail: str
    source: SourceShown
    text: str = Field(description="The first 4,000 bytes, what is not UTF-8 escaped.")
    raw_size: int
    at: int
    replayed: bool


class DeadLetterList(BaseModel):
    dead_letters: list[DeadLetterShown]


class ReplayRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: SourceShown
    value: StrictStr | None = Field(None, description="Sent instead of the message as it was.")
    again: StrictBool = Field(False, description="Even if it was sent again before.")


class Replayed(BaseModel):
    source: SourceShown
    replayed: Literal[True]
