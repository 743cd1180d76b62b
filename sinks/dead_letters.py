"""Dead letters as messages: everything that one needs to see what was wrong, and to send it again."""

import base64

import msgspec

from core.dead_letter import DeadLetter
from sinks.kafka import Record

RAW_MAX_BYTES = 512 * 1024


class _Source(msgspec.Struct, gc=False):
    topic: str
    partition: int
    offset: int


class _Message(msgspec.Struct, gc=False):
    error_code: str
    stage: str
    detail: str
    source: _Source
    raw: str
    raw_size: int
    at: int


_encode = msgspec.json.Encoder().encode


def encode_dead_letter(letter: DeadLetter, at_ms: int) -> Record:
    """Key: `topic:partition:offset`. Value: JSON with the first 512 KiB of the message in base64."""
    position = letter.position
    value = _encode(
        _Message(
            error_code=letter.error_code,
            stage=letter.stage,
            detail=letter.detail,
            source=_Source(position.topic, position.partition, position.offset),
            raw=base64.b64encode(letter.raw[:RAW_MAX_BYTES]).decode("ascii"),
            raw_size=len(letter.raw),
            at=at_ms,
        )
    )
    return f"{position.topic}:{position.partition}:{position.offset}".encode(), value
