"""The decoding step of the lake: messages of a poll to updates with their places, and to dead letters."""

import telemetry
from connectors.decode.updates import decode_update
from connectors.topic import TopicRead
from core.dead_letter import encode_letter
from dataflows.steps.clock import Clock
from pricing.published import ReadUpdate
from sinks.lake.batch import LakeBatch, PlacedUpdate


def decode_read(read: TopicRead, clock: Clock) -> LakeBatch:
    """The updates of messages, in order of offset within each partition."""
    updates: list[PlacedUpdate] = []
    letters = []
    for batch in read.batches:
        refused = 0
        for partition, raw in zip(batch.partitions, batch.messages(), strict=True):
            found = decode_update(raw, batch.topic, partition)
            if isinstance(found, ReadUpdate):
                updates.append((found, batch.topic, partition, raw.offset))
            else:
                refused += 1
                telemetry.DEAD_LETTERS.labels(found.error_code).inc()
                letters.append(encode_letter(found, clock()))
        telemetry.EVENTS.labels(batch.topic, "ok").inc(len(batch) - refused)
        if refused:
            telemetry.EVENTS.labels(batch.topic, "dead_letter").inc(refused)
    return LakeBatch(updates, letters, read.positions)
