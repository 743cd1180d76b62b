"""The policy that the API shows is the flow's."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import telemetry
from api.operations.flow_metrics import FlowMetrics, Reading
from api.operations.policy_in_force import PolicyInForce, policies_of
from core.errors import PolicyError
from pricing.policy import PricingPolicy, decode_policy, default_policy, encode_policy, parse_policy

SHOP = parse_policy('currency = "EUR"\n[guardrails]\nfloor = 2\nendings = [99, 49]\n[demand]\nhalf_life_s = 3600')


def reading(*policies: PricingPolicy) -> Reading:
    """A reading as it comes from the processes of a flow with these policies."""
    registry = CollectorRegistry()
    gauge = Gauge("pricewax_policy", "", ["version", "currency", "document"], registry=registry)
    for policy in policies:
        gauge.labels(policy.version, policy.currency, encode_policy(policy)).inc()
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    return Reading(0.0, len(policies), samples)


class FakeMetrics(FlowMetrics):
    def __init__(self) -> None:
        super().__init__([])
        self.now = reading()

    async def read(self) -> Reading:
        return self.now


@pytest.fixture
def metrics() -> FakeMetrics:
    return FakeMetrics()


def test_a_policy_comes_back_as_it_was() -> None:
    assert decode_policy(encode_policy(SHOP)) == SHOP
    newer = encode_policy(SHOP).replace('"demand":{', '"tax":{"rate":0.2},"demand":{"of_tomorrow":1,')
    assert "tax" in newer
    assert decode_policy(newer) == SHOP
    for text in ("", "{}", "null", "7", '{"version": 1}'):
        with pytest.raises(PolicyError):
            decode_policy(text)


def test_the_policy_of_most_processes_comes_first() -> None:
    assert policies_of(reading(default_policy(), SHOP, SHOP)) == [SHOP, default_policy()]
    assert policies_of(reading()) == []


def test_the_flows_policy_takes_the_place_of_the_apis(metrics: FakeMetrics) -> None:
    in_force = PolicyInForce(default_policy(), metrics)

    def read() -> tuple[PricingPolicy, bool, list[str]]:
        known = asyncio.run(in_force.read())
        return known.policy, known.from_flow, [code for code, _ in telemetry.alerts_in_force()]

    assert read() == (default_policy(), False, [])
    metrics.now = reading(SHOP)
    assert read() == (SHOP, True, ["api_currency_differs", "api_policy_differs"])
    # The flow is down: the last policy that it has reported stays.
    metrics.now = reading()
    assert read()[:2] == (SHOP, True)
    metrics.now = reading(default_policy(), default_policy(), SHOP)
    assert read()[0] == default_policy()
    assert "flow_policies_differ" in read()[2]
    metrics.now = reading(default_policy())
    assert read() == (default_policy(), True, [])
