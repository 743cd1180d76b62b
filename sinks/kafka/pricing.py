"""Messages of `price-updates`, made from decisions."""

from clients.kafka_producer import Record
from pricing.decision import PUBLISHED, Cause, Priced


def encode_updates(priced: Priced) -> list[Record]:
    """Key (product id) and value of each update that readers must see, in order."""
    records: list[Record] = []
    if events := priced.events:
        records = list(zip(events.keys, events.updates, strict=True))
    for decision, update in zip(priced.decisions, priced.updates, strict=True):
        if update is not None and (decision.cause == Cause.REPEAT or decision.cause in PUBLISHED):
            records.append((decision.product_id.encode(), update))
    return records
