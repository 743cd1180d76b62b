"""Alerts: conditions under which prices may be wrong or stand still although every service answers.

A process raises an alert while its condition holds (`telemetry.set_alert`). `GET /status`, the dashboard and the
metric `pricewax_alert` show the alerts of all processes."""

import msgspec


class AlertKind(msgspec.Struct, frozen=True):
    """A kind of alert. text: a sentence for people, with `{subject}` for the topic, store or group concerned.

    stands_still: while it holds, some prices do not change. `/status` then shows the flow as `degraded`."""

    text: str
    stands_still: bool = False


ALERTS: dict[str, AlertKind] = {}
"""Code to kind. Codes are bounded: they are labels of a metric."""


def describe_alert(code: str, subject: str) -> str:
    """The sentence of an alert. An unknown code, of a newer process, is shown as it is."""
    kind = ALERTS.get(code)
    return kind.text.format(subject=subject) if kind else f"{code}: {subject}"
