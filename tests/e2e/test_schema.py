"""The OpenAPI description compared with the running API, by all checks of schemathesis."""

import base64
import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from core.identifiers import IDENTIFIER
from tests.support.pipeline import KEY, Pipeline, wait_for
from tests.support.webhook_receiver import SECRET

EXAMPLES = 25
CONFIG = schemathesis.Config.from_dict(
    {
        "auth": {"openapi": {"APIKeyHeader": {"api_key": KEY}}},
        # Routes ignore unknown parameters, so they are no wrong input.
        "generation": {"allow-extra-parameters": False, "with-security-parameters": False},
    }
)


def base64_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


IDS = st.from_regex(IDENTIFIER, fullmatch=True)
FORMATS = {
    "cursor": IDS.map(lambda name: base64_of(name.encode())),
    "audit-cursor": st.tuples(st.integers(0, 2**40), st.integers(0, 9), st.integers(0, 2**40)).map(
        lambda place: base64_of(json.dumps(place).encode())
    ),
    "printable": st.from_regex("[ -~]{0,199}[!-~]", fullmatch=True),
    "policy": st.floats(0, 100).map("demand.factor = {}".format) | st.just(""),
    "webhook": st.just("https://example.com/hook"),
    "freeze-scope": st.just("all") | IDS.map("product:{}".format) | IDS.map("category:{}".format),
}


def problem_of(operation: Any, mode: GenerationMode) -> str | None:
    """Send generated input to an operation: valid by its description (POSITIVE) or invalid (NEGATIVE). Returns the
    first problem of its answers, or None."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def check(case: schemathesis.Case[Any]) -> None:
        # JSON Schema cannot say that a time must be in the future, so such input may be refused.
        body = case.body if isinstance(case.body, dict) else {}
        assume(mode is GenerationMode.NEGATIVE or body.get("expires_at") is None)
        # The description leaves it to words that all kinds of rules but one need a threshold.
        needs = (case.method, case.path) == ("POST", "/market/rules") and body.get("kind") != "anomaly"
        assume(mode is GenerationMode.NEGATIVE or not needs or body.get("threshold") is not None)
        # Nor that a product is named in one of two ways.
        names = {"product_id", "region_id", "product_type"} & set(case.query or {})
        is_forecast = case.path == "/api/v1/forecast/demand"
        one_way = names in ({"product_id"}, {"region_id"}, {"region_id", "product_type"})
        assume(mode is GenerationMode.NEGATIVE or not is_forecast or one_way)
        case.call_and_validate()

    try:
        check()
    except Unsatisfiable:
        # An operation without input has no wrong input.
        assert mode is GenerationMode.NEGATIVE
    except FailureGroup as found:
        return f"{operation.label} {mode.name}: {found}"
    return None


def test_the_api_is_as_it_is_described(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    pipeline.start_api(WEBHOOK_SECRET=SECRET)
    wait_for(pipeline.api_ready)
    pipeline.event("A", 10.0)
    pipeline.flush()
    pipeline.wait_for_version("A", 1)
    pipeline.wait_for_history(1)
    for name, strategy in FORMATS.items():
        schemathesis.openapi.format(name, strategy)
    schema = schemathesis.openapi.from_url(f"{pipeline.url}/openapi.json", config=CONFIG)
    found = list(schema.get_all_operations())
    assert len(found) > 20
    assert all(isinstance(each, Ok) for each in found), found
    problems = [problem_of(each.ok(), mode) for each in found if isinstance(each, Ok) for mode in GenerationMode]
    assert not any(problems), "\n\n".join(filter(None, problems))
    # After all this input, the API still works.
    assert pipeline.http.get("/price/A").status_code == 200
    assert pipeline.http.get("/ready").status_code == 200
