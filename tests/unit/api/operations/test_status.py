"""The rules and guardrails in the answer of GET /status."""

import math

from api.operations import models
from api.operations.flow_metrics import Reading, Samples
from api.operations.status import _known, rules
from pricing.engine import FREEZE_RULE, OVERRIDE_RULE
from pricing.guardrails import BINDING, LABELS
from pricing.rules import RULES


def test_every_name_that_can_bind_a_price_has_a_label() -> None:
    assert set(LABELS) == BINDING


def test_status_lists_every_rule_and_guardrail_once() -> None:
    found = [models.RuleShown.model_validate(rule) for rule in rules()]
    names = [rule.name for rule in found]
    assert len(names) == len(set(names))
    assert {rule.name for rule in found if rule.kind == "guardrail"} == BINDING | {FREEZE_RULE}
    assert {rule.name for rule in found if rule.kind == "rule"} == {name for name, _, _ in RULES} | {OVERRIDE_RULE}
    assert all(rule.label and rule.reason for rule in found)


def test_a_lag_that_is_not_known_is_no_number() -> None:
    lag = "pricewax_consumer_lag_messages"
    samples: Samples = {(lag, (("partition", "0"),)): 3.0, (lag, (("partition", "1"),)): 4.0}
    assert _known(Reading(0.0, 1, samples).total(lag)) == 7
    assert _known(Reading(0.0, 1, {**samples, (lag, (("partition", "1"),)): math.nan}).total(lag)) is None
