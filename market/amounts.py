"""Prices and volumes of the market: exact, as whole numbers of 1e-8 (units)."""

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal

DECIMALS = 8
UNITS = 100_000_000
"""Units in 1."""

AMOUNT_MAX = 10**18 - 1
"""The largest amount: 9,999,999,999.99999999."""

_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_USUAL = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,8}))?", re.ASCII)
_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_STEP = Decimal(1).scaleb(-DECIMALS)
_DIGITS_MAX = 10
_EXPONENT_DIGITS = 7
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def exact_decimal(text: str) -> Decimal:
    """The value of a JSON number. An exponent beyond ten million counts as ten million: no message has room for the
    digits that would make a difference. Raises ValueError if the text is no JSON number; its text is worded to
    follow a field name."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError("is not a number")
    mantissa, exponent = found.groups("0")
    # A text of many digits is no `int` in Python.
    far = len(exponent.lstrip("+-0")) > _EXPONENT_DIGITS
    power = (-(10**_EXPONENT_DIGITS) if exponent[0] == "-" else 10**_EXPONENT_DIGITS) if far else int(exponent)
    return Decimal(mantissa).scaleb(power, _EXACT)


def parse_amount(text: str) -> int:
    """The units of a JSON number, rounded half to even. Raises ValueError if the text is no JSON number, or if the
    amount is not from 0 to `AMOUNT_MAX`. The error's text is worded to follow a field name."""
    if (usual := _USUAL.fullmatch(text)) and (len(usual[1]) == 1 or usual[1][0] != "0"):
        return int(usual[1]) * UNITS + int((usual[2] or "").ljust(DECIMALS, "0"))
    exact = exact_decimal(text)
    if exact.is_zero() or exact.adjusted() < -DECIMALS - 1:
        units = 0
    elif exact.adjusted() >= _DIGITS_MAX:
        units = AMOUNT_MAX + 1
    else:
        units = int(exact.quantize(_STEP, context=_CONTEXT).scaleb(DECIMALS, _CONTEXT))
    if exact < 0 and not exact.is_zero():
        raise ValueError("is below 0")
    if units > AMOUNT_MAX:
        raise ValueError("is above 9999999999.99999999")
    return units


def to_number(units: int) -> float:
    """The double that is nearest to an amount."""
    return units / UNITS


def to_text(units: int) -> str:
    """The exact decimal text of an amount, with all 8 decimals."""
    return f"{units // UNITS}.{units % UNITS:0{DECIMALS}d}"


def divide(numerator: int, denominator: int) -> int:
    """`numerator / denominator`, rounded half to even. Both are 0 or above, the denominator is not 0."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and whole % 2):
        whole += 1
    return whole
