"""Models of the routes of overrides and freezes. Bodies of requests are validated with them; models of answers
serve the OpenAPI description alone. A docstring of a model would be part of it, so the fields describe
themselves."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from api.web.requests import ID_PATTERN
from core.money import PRICE_MAX
from core.text import to_nfc
from pricing.commands import DEFAULT_REASON, REASON_MAX_CHARS

BULK_MAX = 200
"""Most changes of one request."""

SCOPE_MAX_CHARS = 520
UNSET = "unset"
"""`expected_set_at` of a change that does not name one: null means that no override is expected."""

APPLIED_OR_ACCEPTED = "`accepted`: the flow has not applied it within a second; it does so later."
ONLY_ACCEPTED = "Only if the flow has not applied it within a second."
COMMAND_ID_IS = "Of a command that is not confirmed: the set_at or removed_at that it has if it takes effect."

ProductIdInBody = Annotated[StrictStr, Field(json_schema_extra={"pattern": ID_PATTERN})] | StrictInt
"""The pattern is for the description alone. The route checks the id, for an error in the words of this API."""


def _in_nfc(value: Any) -> Any:
    # Lengths are those in NFC, in which texts are kept.
    return to_nfc(value, SCOPE_MAX_CHARS) if isinstance(value, str) else value


Text = Annotated[StrictStr, BeforeValidator(_in_nfc)]
Scope = Annotated[str, Path(json_schema_extra={"format": "freeze-scope"}, examples=["category:kitchen"])]
Expiry = StrictStr | StrictInt | Annotated[float, Field(strict=True, allow_inf_nan=False)] | None


class OverrideRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_id: ProductIdInBody = Field(examples=["85123A"])
    override_price: float = Field(
        gt=0,
        le=PRICE_MAX,
        allow_inf_nan=False,
        strict=True,
        description="Rounded to the currency's minor unit (cents for GBP), of which there must be one at least.",
        examples=[19.99],
    )
    reason: Text = Field(
        DEFAULT_REASON,
        min_length=1,
        max_length=REASON_MAX_CHARS,
        description="No control characters or line breaks; not only spaces.",
        json_schema_extra={"format": "printable"},
    )
    expires_at: Expiry = Field(
        None,
        description="RFC 3339, or seconds or milliseconds since the epoch; in the future.",
        examples=["2030-01-01T00:00:00Z"],
    )


class OverrideAccepted(BaseModel):
    product_id: str = Field(examples=["85123A"])
    override_price: float = Field(examples=[19.99])
    reason: str = Field(examples=[DEFAULT_REASON])
    status: Literal["upserted", "accepted"] = Field(description=APPLIED_OR_ACCEPTED)


class OverrideDeleted(BaseModel):
    product_id: str = Field(examples=["85123A"])
    deleted: Literal[True]
    status: Literal["accepted"] | None = Field(None, description=ONLY_ACCEPTED)


class OverrideShown(BaseModel):
    product_id: str = Field(examples=["85123A"])
    override_price: float = Field(examples=[19.99])
    reason: str
    set_by: str = Field(examples=["admin"])
    set_at: str = Field(examples=["2011-12-05T08:38:00.000Z"])
    expires_at: str | None


class OverrideList(BaseModel):
    overrides: list[OverrideShown]
    next_cursor: str | None = Field(None, description="Only if there are more: give it as `cursor`.")


class BulkChange(BaseModel):
    """One change of a bulk request. It has either `override_price` or `change_percent`.

    expected_set_at: when the override that the caller has seen was set (RFC 3339; null: no override). If another
    one is active, the change is a conflict and is not made."""

    model_config = ConfigDict(extra="forbid")

    product_id: ProductIdInBody = Field(examples=["85123A"])
    override_price: float | None = Field(
        None, gt=0, le=PRICE_MAX, allow_inf_nan=False, strict=True, examples=[19.99]
    )
    change_percent: float | None = Field(None, gt=-100, le=10_000, allow_inf_nan=False, strict=True, examples=[-10])
    reason: Text = Field(DEFAULT_REASON, min_length=1, max_length=REASON_MAX_CHARS)
    expires_at: Expiry = None
    expected_set_at: StrictStr | None = Field(UNSET, max_length=40)


class BulkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    changes: list[Any] = Field(
        min_length=1,
        max_length=BULK_MAX,
        description="Each is checked for itself: what is wrong with one is said in its result. product_id;"
        " override_price or change_percent; and, if wanted, reason, expires_at, and expected_set_at (null: no"
        " override): the line is then a conflict where the active override is another.",
        examples=[[{"product_id": "85123A", "change_percent": -10, "reason": "clearance"}]],
    )
    dry_run: StrictBool = False


class BulkResult(BaseModel):
    product_id: str | None
    status: Literal["upserted", "accepted", "would be set", "refused", "conflict", "not confirmed"] = Field(
        description="`accepted`: Kafka has it, and the flow applies it soon. `not confirmed`: it may still take"
        " effect. `refused` and `conflict`: nothing was changed."
    )
    error: str | None = None
    command_id: str | None = Field(None, description=COMMAND_ID_IS)
    override_price: float | None = None
    old_price: float | None = None
    new_price: float | None = Field(None, description="After the guardrails.")
    change_percent: float | None = None
    warnings: list[str] = []


class BulkAnswer(BaseModel):
    results: list[BulkResult] = Field(description="One for each change, in their order.")


class BulkRemovalRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_ids: list[ProductIdInBody] = Field(min_length=1, max_length=BULK_MAX)


class BulkRemoval(BaseModel):
    product_id: str
    deleted: bool
    status: Literal["removed", "accepted", "refused", "not confirmed"] = Field(
        description="`accepted`: Kafka has it, and the flow applies it soon. `not confirmed`: it may still take"
        " effect."
    )
    error: str | None = None
    command_id: str | None = Field(None, description=COMMAND_ID_IS)


class BulkRemovalAnswer(BaseModel):
    results: list[BulkRemoval]


class PastOverrideShown(OverrideShown):
    removed_at: str | None = Field(description="When it was removed, replaced, or expired.")


class OverrideAudit(BaseModel):
    overrides: list[PastOverrideShown]
    next_cursor: str | None


class FreezeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scope: Text = Field(
        max_length=SCOPE_MAX_CHARS,
        examples=["all", "category:kitchen", "product:85123A"],
        json_schema_extra={"format": "freeze-scope"},
    )
    reason: Text = Field(
        min_length=1,
        max_length=REASON_MAX_CHARS,
        description="No control characters or line breaks; not only spaces.",
        json_schema_extra={"format": "printable"},
    )


class FreezeAccepted(BaseModel):
    scope: str
    reason: str
    status: Literal["frozen", "accepted"] = Field(description=APPLIED_OR_ACCEPTED)


class FreezeLifted(BaseModel):
    scope: str
    lifted: Literal[True]
    status: Literal["accepted"] | None = Field(None, description=ONLY_ACCEPTED)


class FreezeShown(BaseModel):
    scope: str
    reason: str
    set_by: str
    set_at: str


class FreezeList(BaseModel):
    freezes: list[FreezeShown]
    next_cursor: str | None = Field(None, description="Only if there are more: give it as `cursor`.")


class PastFreezeShown(FreezeShown):
    lifted_at: str | None


class FreezeAudit(BaseModel):
    freezes: list[PastFreezeShown]
    next_cursor: str | None
