"""Decoders of the market's flow: bytes to a tick or a rule, or to a dead letter. Pure; `decode` and `decode_rule`
never raise, for any input."""

from enum import StrEnum
from typing import Any

import msgspec

from connectors.decode.wire import STAGE, RawMessage, decode_valid, decode_value, is_null, load_object
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.identifiers import is_identifier
from core.positions import SourcePosition
from market import alerts
from market.alerts import AlertRule, RuleRemoval, make_rule
from market.amounts import parse_amount
from market.moments import parse_number, parse_text
from market.ticks import SYMBOL_TAKES, Tick, is_symbol


class TickKind(StrEnum):
    """The form of the ticks of a topic."""

    PRICE_TICKS = "price_ticks"
    STOCK_PRICES = "stock_prices"


TIME_FIELD = {TickKind.PRICE_TICKS: "ts", TickKind.STOCK_PRICES: "timestamp"}


class _Number(str):
    """The text of a JSON number: a double would lose digits."""

    __slots__ = ()


class _PriceTick(msgspec.Struct, gc=False, rename={"at": "ts"}):
    symbol: str
    price: msgspec.Raw
    at: msgspec.Raw
    volume: msgspec.Raw = msgspec.Raw(b"null")


class _StockPrice(msgspec.Struct, gc=False, rename={"at": "timestamp"}):
    symbol: str
    price: msgspec.Raw
    at: msgspec.Raw


_decode_price_tick = msgspec.json.Decoder(_PriceTick).decode
_decode_stock_price = msgspec.json.Decoder(_StockPrice).decode
_decode_text = msgspec.json.Decoder(str).decode


def decode(kind: TickKind, raw: RawMessage, topic: str, partition: int) -> Tick | DeadLetter:
    """The tick of a message, or the letter for it. topic: as in positions."""
    try:
        return decode_tick(kind, raw.value)
    except BadInputError as error:
        return _letter(error, raw, topic, partition)


def decode_rule(raw: RawMessage, topic: str, partition: int) -> AlertRule | RuleRemoval | DeadLetter:
    """The rule of a message, the removal of the rule that its key names, or the letter for it. topic: as in
    positions."""
    try:
        rule_id = (raw.key or b"").decode("ascii", "replace")
        if not is_identifier(rule_id):
            raise BadInputError(ErrorCode.BAD_RULE, "the key takes the id of a rule")
        if raw.value is None or is_null(raw.value):
            return RuleRemoval(rule_id)
        rule = decode_value(raw.value, AlertRule, alerts.decode_rule)
        if rule.id != rule_id:
            raise BadInputError(ErrorCode.BAD_RULE, "id is not that of the key")
        return make_rule(rule)
    except ValueError as error:
        return _letter(BadInputError(ErrorCode.BAD_RULE, str(error)), raw, topic, partition)
    except BadInputError as error:
        return _letter(error, raw, topic, partition)


def _letter(error: BadInputError, raw: RawMessage, topic: str, partition: int) -> DeadLetter:
    position = SourcePosition(topic, partition, raw.offset)
    return DeadLetter(error.code, STAGE, str(error), position, raw.value or b"")


def decode_tick(kind: TickKind, value: bytes | None) -> Tick:
    """A tick. Raises BadInputError with the first problem of the message."""
    if value is None:
        raise BadInputError(ErrorCode.TOMBSTONE, "a tick has no value")
    symbol, price, volume, at = _fields(kind, value)
    if not isinstance(symbol, str) or isinstance(symbol, _Number):
        raise BadInputError(ErrorCode.WRONG_TYPE, "symbol takes a text")
    if not is_symbol(symbol):
        raise BadInputError(ErrorCode.BAD_SYMBOL, SYMBOL_TAKES)
    units = _amount(price, "price", ErrorCode.BAD_PRICE)
    if not units:
        raise BadInputError(ErrorCode.BAD_PRICE, "price is 0 when it is rounded to 8 decimals")
    return Tick(
        symbol,
        units,
        0 if volume is None else _amount(volume, "volume", ErrorCode.BAD_QUANTITY),
        _moment(at, TIME_FIELD[kind]),
    )


def _fields(kind: TickKind, value: bytes) -> tuple[Any, Any, Any, Any]:
    """Symbol, price, volume and time: a number as `_Number`, a text as `str`, null as None."""
    try:
        if kind is TickKind.PRICE_TICKS:
            if (tick := decode_valid(value, _decode_price_tick)) is not None:
                return tick.symbol, _plain(tick.price), _plain(tick.volume), _plain(tick.at)
        elif (stock := decode_valid(value, _decode_stock_price)) is not None:
            return stock.symbol, _plain(stock.price), None, _plain(stock.at)
    except msgspec.MsgspecError:
        # A text that `_plain` cannot read.
        pass
    return _fields_carefully(kind, value)


def _plain(raw: msgspec.Raw) -> Any:
    data = bytes(raw)
    if data[:1] == b'"':
        return _decode_text(data)
    if data == b"null":
        return None
    return _Number(data.decode()) if data[:1] in b"-0123456789" else data


def _fields_carefully(kind: TickKind, value: bytes) -> tuple[Any, Any, Any, Any]:
    """Decode a value again to find its exact problem. Only the contract's fields count."""
    document = load_object(value, _Number)
    for name in ("symbol", "price", TIME_FIELD[kind]):
        if name not in document:
            raise BadInputError(ErrorCode.MISSING_FIELD, f"{name} is missing")
    volume = document.get("volume") if kind is TickKind.PRICE_TICKS else None
    return document["symbol"], document["price"], volume, document[TIME_FIELD[kind]]


def _amount(value: Any, name: str, code: ErrorCode) -> int:
    if not isinstance(value, str):
        raise BadInputError(ErrorCode.WRONG_TYPE, f"{name} takes a number")
    try:
        return parse_amount(value)
    except ValueError as error:
        raise BadInputError(code, f"{name} {error}") from None


def _moment(value: Any, name: str) -> int:
    if not isinstance(value, str):
        raise BadInputError(ErrorCode.WRONG_TYPE, f"{name} takes a number or a text")
    try:
        return parse_number(value) if isinstance(value, _Number) else parse_text(value)
    except ValueError as error:
        raise BadInputError(ErrorCode.BAD_TIMESTAMP, f"{name} {error}") from None
