"""The decoder of price updates as the lake keeps them: bytes to an update, or to a dead letter. Pure;
`decode_update` never raises, for any input."""

from math import isfinite

import msgspec

from connectors.decode.wire import RawMessage, decode_value, identifier, refuse
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.money import PUBLISHED_MAX
from core.timestamps import LATEST_MS
from pricing.published import ReadUpdate

NUMBER_MAX = 2**63 - 1


_decode = msgspec.json.Decoder(ReadUpdate).decode


def decode_update(raw: RawMessage, topic: str, partition: int) -> ReadUpdate | DeadLetter:
    """The update of a message, or a dead letter with the reason. topic: as in positions."""
    try:
        if raw.value is None:
            raise BadInputError(ErrorCode.TOMBSTONE, "a price update has no value")
        update = decode_value(raw.value, ReadUpdate, _decode)
        identifier(update.product_id)
        if not 0 <= update.version <= NUMBER_MAX:
            raise BadInputError(ErrorCode.BAD_NUMBER, "version takes a whole number from 0 to 2^63 - 1")
        if not 0 <= update.event_time_ms <= LATEST_MS:
            raise BadInputError(ErrorCode.BAD_TIMESTAMP, f"event_time_ms takes a number from 0 to {LATEST_MS}")
        for price in (update.new_price, update.previous_price):
            if price is not None and not 0 <= price <= PUBLISHED_MAX:
                raise BadInputError(ErrorCode.BAD_PRICE, f"prices take a number from 0 to {PUBLISHED_MAX:.2f}")
        amounts = [each.amount for each in update.adjustments if each.amount is not None]
        if not all(map(isfinite, (update.demand, *amounts))):
            raise BadInputError(ErrorCode.BAD_NUMBER, "demand and amounts take finite numbers")
        texts = [update.price_source, update.policy]
        texts += [text for each in update.adjustments for text in (each.rule, each.reason) if text is not None]
        if not all(map(_is_text, texts)):
            raise BadInputError(ErrorCode.BAD_TEXT, "a text has half of a surrogate pair")
        return update
    except BadInputError as error:
        return refuse(error, raw, topic, partition)


def _is_text(text: str) -> bool:
    """False for a text that cannot be encoded."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
