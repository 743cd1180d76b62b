"""Messages of `price-updates`, made from decisions."""

import msgspec

from clients.kafka_producer import NOW, Command, Record
from pricing.decision import PUBLISHED, Adjustment, Cause, Priced, encode_update

REASON_CHARS = (100, 40, 10, 0)
"""Lengths to which the reasons of an update are cut, one after the other, until the update fits."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_adjustments = msgspec.json.Decoder(list[Adjustment]).decode
_encode = msgspec.json.Encoder().encode


def encode_updates(priced: Priced) -> list[Record]:
    """Key (product id) and value of each update that readers must see, in order."""
    records: list[Record] = []
    if events := priced.events:
        records = list(zip(events.keys, events.updates, strict=True))
    for decision, update in zip(priced.decisions, priced.updates, strict=True):
        if decision.is_over or (decision.cause != Cause.REPEAT and decision.cause not in PUBLISHED):
            continue
        if update is not None:
            records.append((decision.product_id.encode(), update))
        elif decision.withdrawn is not None:
            records.append((decision.product_id.encode(), encode_update(decision.withdrawn)))
    return records


class _OverrideMessage(msgspec.Struct, gc=False):
    product_id: str
    override_price: float
    reason: str
    set_by: str
    set_at: int
    expires_at: int | None


def encode_commands(priced: Priced) -> list[Command]:
    """The flow's own messages on `price-overrides`, so that a flow that starts over finds the overrides in force
    and no others (docs/decisions/0029).

    A tombstone for each override that ended by time, unless a newer one is known. Its time stamp is the end. If a
    newer override came before the tombstone, the newer one is written again."""
    if not priced.decisions:
        return []
    newest = {decision.product_id: decision for decision in priced.decisions}
    commands: list[Command] = []
    for decision in priced.decisions:
        override, ended = decision.override, decision.ended
        key = decision.product_id.encode()
        if decision.cause == Cause.OVERRIDE_EXPIRED and newest[decision.product_id].override is None:
            assert ended is not None
            commands.append((key, None, ended.removed_at_ms, []))
        elif decision.cause == Cause.KEPT and override is not None:
            message = _OverrideMessage(
                override.product_id,
                override.override_price,
                override.reason,
                override.set_by,
                override.set_at_ms,
                override.expires_at_ms,
            )
            commands.append((key, _encode(message), NOW, []))
    return commands


def fit_update(record: Record, size_max: int) -> list[Record]:
    """An update with shorter reasons, so that key and value have at most `size_max` bytes. Empty if that is not
    enough: amounts and all other fields stay as they are."""
    key, value = record
    update = _decode(value)
    if "adjustments" not in update:
        # A withdrawal has no texts to cut.
        return []
    adjustments = _decode_adjustments(update["adjustments"])
    for chars in REASON_CHARS:
        cut = [msgspec.structs.replace(each, reason=each.reason[:chars]) for each in adjustments]
        shorter = _encode({**update, "adjustments": cut})
        if len(key) + len(shorter) <= size_max:
            return [(key, shorter)]
    return []
