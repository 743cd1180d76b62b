"""Models of the routes for operations. Bodies of requests are validated with them; models of answers serve the
OpenAPI description alone. A docstring of a model would be part of it, so the fields describe themselves."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from api.pricing.command_models import FreezeShown
from api.web.requests import WholeNumber


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready", "not ready"]
    checks: dict[str, Literal["up", "down"]]


class Quantiles(BaseModel):
    p50: float | None
    p99: float | None


class SinkShown(BaseModel):
    written: float
    errors: float
    pending: float
    breaker_open: bool
    latency_ms: Quantiles


class FlowShown(BaseModel):
    processes: int
    events: float
    events_per_s: float | None
    products: float
    lag: float | None
    dead_letters: dict[str, float]
    alerts: dict[str, float]
    refills: float
    history_backlog: float
    sinks: dict[str, SinkShown]


class RelayShown(BaseModel):
    updates_per_s: float
    last_update_ms: int | None
    latency_ms: Quantiles
    clients: int


class RuleShown(BaseModel):
    name: str = Field(examples=["max_step"], description="As in adjustments, and in `bound_by`.")
    kind: Literal["rule", "guardrail"]
    label: str = Field(examples=["largest step"])
    reason: str = Field(examples=["limited to the largest step from the last price"])


class DemandShown(BaseModel):
    weights: dict[str, float]
    factor: float
    half_life_s: float | None


class PolicyShown(BaseModel):
    version: str
    currency: str = Field(examples=["GBP"])
    decimals: int = Field(description="Decimals of every price: 2 for GBP, 0 for JPY, 3 for KWD.")
    reported_by: Literal["flow", "api"] = Field(
        description="`flow`: the policy by which the flow decides, or has decided when it was last up. `api`: the"
        " API's own, because no process of the flow has answered since the API started."
    )
    demand: DemandShown
    guardrails: dict[str, Any]
    rules: list[RuleShown] = Field(description="Every name that an adjustment can have, except `base`.")


class Dependencies(BaseModel):
    redis: Literal["up", "down"]
    kafka: Literal["up", "down"]
    history: Literal["up", "down", "none"]
    flow: Literal["up", "degraded", "down"] = Field(
        description="`degraded`: every process answers, and some prices stand still; `alerts` has the reason."
    )


class AlertShown(BaseModel):
    code: str
    subject: str = Field(description="The topic, store or group concerned; may be empty.")
    text: str


class Status(BaseModel):
    at_ms: int
    dependencies: Dependencies
    alerts: list[AlertShown] = Field(
        description="Conditions under which prices may be wrong or stand still although every service answers."
    )
    flow: FlowShown | None = Field(description="null where no process of the flow answers.")
    relay: RelayShown
    freezes: list[FreezeShown] | None = Field(description="null where Redis does not answer.")
    policy: PolicyShown
    versions: dict[str, str]


class SourceShown(BaseModel):
    model_config = ConfigDict(extra="forbid")

    topic: StrictStr = Field(min_length=1, max_length=249)
    partition: WholeNumber = Field(ge=0, lt=2**31)
    # Kafka's end at 2^63. The description has bounds as doubles, and this one is the same in decimals.
    offset: WholeNumber = Field(ge=0, le=9 * 10**18)


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
    complete: bool = Field(
        description="False if they could not all be read in time: older ones may be missing.",
    )


class ReplayRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: SourceShown
    value: StrictStr | None = Field(None, description="Sent instead of the message as it was.")
    again: StrictBool = Field(False, description="Even if it was sent again before.")


class Replayed(BaseModel):
    source: SourceShown
    replayed: Literal[True]
