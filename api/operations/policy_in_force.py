"""The policy in force: the one by which the flow decides, as its processes report it. The API's own `POLICY` stands
in for it only until a process has answered."""

from collections import Counter

import msgspec

import telemetry
from api.operations.flow_metrics import FlowMetrics, Reading
from core.errors import PolicyError
from pricing.policy import PricingPolicy, decode_policy


class KnownPolicy(msgspec.Struct, frozen=True):
    """A policy. from_flow: a process of the flow has reported it; otherwise it is the API's own."""

    policy: PricingPolicy
    from_flow: bool


class PolicyInForce:
    """The flow's policy. Belongs to the event loop's thread. Used by the status page and by previews.

    own: the API's policy. metrics: of the flow's processes, which report their policies in `pricewax_policy`."""

    def __init__(self, own: PricingPolicy, metrics: FlowMetrics) -> None:
        self._own = own
        self._metrics = metrics
        self._seen: PricingPolicy | None = None

    @property
    def scale(self) -> int:
        """The scale of the policy's currency (`core/money.py`), as it was read last."""
        return (self._seen or self._own).scale

    async def read(self) -> KnownPolicy:
        """The policy that most processes report now or, if none answers, have reported last. Sets the alerts for
        policies that differ."""
        if policies := policies_of(await self._metrics.read()):
            self._seen = policies[0]
            versions = {policy.version for policy in policies}
            telemetry.set_alert("flow_policies_differ", holds=len(versions) > 1)
            telemetry.set_alert("api_policy_differs", holds=versions != {self._own.version})
            currencies = {policy.currency for policy in policies}
            telemetry.set_alert("api_currency_differs", holds=currencies != {self._own.currency})
        return KnownPolicy(self._seen or self._own, from_flow=self._seen is not None)


def policies_of(reading: Reading) -> list[PricingPolicy]:
    """The policies that the processes of a reading report, each once, the most frequent first."""
    found: Counter[str] = Counter()
    for (name, labels), processes in reading.samples.items():
        if name == "pricewax_policy" and processes > 0:
            found[dict(labels).get("document", "")] += round(processes)
    policies = []
    for document, _ in sorted(found.items(), key=lambda each: (-each[1], each[0])):
        try:
            policies.append(decode_policy(document))
        except PolicyError:
            # Of a program that is not ours, or much newer.
            continue
    return policies
