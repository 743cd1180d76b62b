"""Forecasts in the history database: models with their files and stages, hours of demand, and decisions."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from forecasting.published import EndedHour
from forecasting.registry.stages import StageChange
from sinks.history.tables import Table, columns, encode_fields

PARTS = Table(
    b"f",
    "forecast_parts",
    columns(version="text", file_name="text", part="integer", content="text"),
    key=("version", "file_name", "part"),
)
MODELS = Table(
    b"m",
    "forecast_models",
    columns(version="text", sha256="text", parts="integer", registered_time="time"),
    key=("version",),
)
STAGES = Table(
    b"s",
    "forecast_stages",
    columns(
        change_number="integer",
        version="text",
        stage="text",
        share="double",
        set_time="time",
        set_by="text",
        reason="text",
    ),
    key=("change_number",),
)
HOURS = Table(
    b"h",
    "demand_hours",
    columns(
        product_id="text",
        start_time="micros",
        units="integer",
        p10="double",
        p50="double",
        p90="double",
        mean="double",
        model="text",
        source="text",
        version="integer",
    ),
    key=("product_id", "start_time"),
    version="version",
    days="start_time",
)
DECISIONS = Table(
    b"d",
    "pricing_decisions",
    columns(request_id="text", product_id="text", made_time="micros", decision="json"),
    key=("request_id", "made_time"),
    days="made_time",
)

REGISTRY_TABLES = (PARTS, MODELS, STAGES)

DECISION_DAYS = 30
PART_BYTES = 2700
"""Of a file; as Base64 it fits into the text columns of both databases."""


def forecast_tables(keep_days: int) -> tuple[Table, ...]:
    """The tables that the flow writes. keep_days: days of hours of demand before today that are kept; 0 keeps
    all."""
    return (
        msgspec.structs.replace(HOURS, keep_days=keep_days),
        msgspec.structs.replace(DECISIONS, keep_days=DECISION_DAYS),
    )


def encode_history(result: Any) -> list[bytes]:
    """The rows of hours that are over, and of decisions. result: with `made` and `decisions`."""
    rows = [_encode_hour(each.ended) for each in result.made if each.ended is not None]
    return rows + [
        DECISIONS.tag
        + b"\t"
        + encode_fields((each.request_id, each.product_id, each.made_at_ms * 1000, each.document))
        for each in result.decisions
    ]


def _encode_hour(ended: EndedHour) -> bytes:
    hour, units = ended.hour, ended.hour.units
    values: list[str | int | None] = [ended.product_id, hour.start_ms * 1000, ended.units]
    values += [repr(each) for each in (units.p10, units.p50, units.p90, units.mean)]
    return HOURS.tag + b"\t" + encode_fields([*values, hour.model or None, hour.source, ended.version])


def encode_parts(version: str, files: dict[str, bytes]) -> list[bytes]:
    """The rows of a model's files."""
    return [
        PARTS.tag
        + b"\t"
        + encode_fields((version, name, number, b64encode(content[start : start + PART_BYTES]).decode()))
        for name, content in files.items()
        for number, start in enumerate(range(0, max(len(content), 1), PART_BYTES))
    ]


def join_parts(parts: Iterable[str]) -> bytes:
    """A file out of the contents of its rows, in order."""
    return b"".join(b64decode(part) for part in parts)


def encode_model(version: str, sha256: str, parts: int, at_ms: int) -> bytes:
    """The row of a model. parts: the number of the rows of its files."""
    return MODELS.tag + b"\t" + encode_fields((version, sha256, parts, at_ms))


def encode_stage(change: StageChange) -> bytes:
    """The row of a change of stages."""
    values = (change.number, change.version, change.stage, repr(change.share), change.at_ms, change.who, change.why)
    return STAGES.tag + b"\t" + encode_fields(values)
