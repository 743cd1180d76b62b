"""Decoders of the market's flow: bytes to a tick or a rule, or to a dead letter. Pure; `decode` and `decode_rule`
never raise, for any input."""

import re
from enum import StrEnum
from typing import Any

import msgspec

from connectors.decode.wire import (
    RawMessage,
    decode_valid,
    decode_value,
    is_null,
    load_object,
    refuse,
)
from core.dead_letter import DeadLetter, ErrorCode
from core.errors import BadInputError
from core.identifiers import is_identifier
from market import alerts
from market.alerts import AlertRule, RuleRemoval, make_rule
from market.amounts import DECIMALS, parse_amount
from market.moments import parse_number, parse_text
from market.ticks import SYMBOL, SYMBOL_TAKES, Tick, is_symbol


class TickKind(StrEnum):
    """The form of the ticks of a topic."""

    PRICE_TICKS = "price_ticks"
    STOCK_PRICES = "stock_prices"


TIME_FIELD = {TickKind.PRICE_TICKS: "ts", TickKind.STOCK_PRICES: "timestamp"}


_AMOUNT = r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,8}))?"
_TIME = r'(?:([1-9][0-9]{9,18})|"([^"\\]{20,40})")'


def _usual_form(**fields: str) -> re.Pattern[str]:
    return re.compile(r"\{" + ", ?".join(f'"{name}": ?{form}' for name, form in fields.items()) + r"\}", re.ASCII)


_USUAL = {
    TickKind.PRICE_TICKS: _usual_form(symbol=f'"({SYMBOL})"', price=_AMOUNT, volume=_AMOUNT, ts=_TIME),
    TickKind.STOCK_PRICES: _usual_form(symbol=f'"({SYMBOL})"', price=f"{_AMOUNT}()()", timestamp=_TIME),
}
"""The usual text of a tick. Its groups: symbol, digits of the price and after its point, those of the volume, and
the time as a number or as a text."""

_SHIFTS = [10 ** (DECIMALS - digits) for digits in range(DECIMALS + 1)]


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
        return refuse(error, raw, topic, partition)


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
        return refuse(BadInputError(ErrorCode.BAD_RULE, str(error)), raw, topic, partition)
    except BadInputError as error:
        return refuse(error, raw, topic, partition)


def decode_tick(kind: TickKind, value: bytes | None) -> Tick:
    """A tick. Raises BadInputError with the first problem of the message."""
    if value is None:
        raise BadInputError(ErrorCode.TOMBSTONE, "a tick has no value")
    if (usual := _USUAL[kind].fullmatch(value.decode("latin-1"))) and (tick := _decode_usual(usual)):
        return tick
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


def _decode_usual(found: re.Match[str]) -> Tick | None:
    """The tick of a text in the usual form; None if it needs a closer look."""
    symbol, price, price_part, volume, volume_part, number, text = found.groups("")
    try:
        at_us = parse_number(number) if number else parse_text(text)
    except ValueError:
        return None
    units = int(price + price_part) * _SHIFTS[len(price_part)]
    if not units:
        return None
    return Tick(symbol, units, int(volume + volume_part or "0") * _SHIFTS[len(volume_part)], at_us)


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
