"""Messages of `price-updates`, made from decisions."""

from clients.kafka_producer import Record
from pricing.decision import PUBLISHED, Cause, Priced, encode_update


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
