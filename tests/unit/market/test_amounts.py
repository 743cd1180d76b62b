"""Amounts are exact: what is read is the decimal text, rounded half to even to 8 decimals."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.amounts import AMOUNT_MAX, UNITS, divide, parse_amount, to_number, to_text

WIDE = Context(prec=2_000, rounding=ROUND_HALF_EVEN)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0e5", 0),
        ("61837.63", 6_183_763_000_000),
        ("0.00000001", 1),
        ("0.000000005", 0),
        ("0.0000000050000000000000000000000000000000000000000000001", 1),
        ("0.000000015", 2),
        ("0.000000025", 2),
        ("1e-8", 1),
        ("5E-9", 0),
        ("1.5e+3", 150_000_000_000),
        ("100000e-5", UNITS),
        ("9999999999.99999999", AMOUNT_MAX),
        ("9999999999.999999994", AMOUNT_MAX),
        ("1e-99999999999999999999", 0),
        ("0e99999999999999999999", 0),
        ("1" * 40 + "e-35", 1_111_111_111_111),
        ("0." + "0" * 5000 + "1e5001", UNITS),
        ("1" + "0" * 6000 + "e-6000", UNITS),
    ],
)
def test_an_amount_is_its_decimal_text(text: str, units: int) -> None:
    assert parse_amount(text) == units


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *(
            (text, "is not a number")
            for text in ("", " 1", "1 ", "01", "1.", ".5", "+1", "1e", "0x1", "NaN", "1_0")
        ),
        *((text, "is not a number") for text in ("Infinity", "--1", "1,5", "１", "1e1.5")),
        *((text, "is above") for text in ("1e10", "9999999999.999999995", "1e999999999999999999999", "1" * 5000)),
        *((text, "is below 0") for text in ("-1", "-1e-30", "-1e99999999999", "-0.000000001")),
    ],
)
def test_what_is_no_amount_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_amount(text)


@given(st.decimals(0, 10**10 - 1, allow_nan=False, allow_infinity=False), st.integers(-3, 3))
def test_any_decimal_is_rounded_half_to_even(number: Decimal, shift: int) -> None:
    number = abs(number).scaleb(shift, WIDE)
    expected = int(number.quantize(Decimal("1e-8"), context=WIDE).scaleb(8, WIDE))
    if expected <= AMOUNT_MAX:
        assert parse_amount(str(number).replace("E", "e")) == expected


@given(st.integers(0, AMOUNT_MAX))
def test_an_amount_has_an_exact_text_and_the_nearest_double(units: int) -> None:
    assert parse_amount(to_text(units)) == units
    assert to_number(units) == float(to_text(units))


@given(st.integers(0, 10**40), st.integers(1, 10**20))
def test_a_division_is_rounded_half_to_even(numerator: int, denominator: int) -> None:
    assert divide(numerator, denominator) == round(Fraction(numerator, denominator))
