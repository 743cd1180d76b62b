"""Money as IEEE doubles, rounded once, half to even, to the currency's minor unit."""

MINOR_UNITS = 2
"""Decimal places of every price: SQL holds prices as NUMBER(12,2)."""

CENT = 0.01
PRICE_MAX = 999_999_999.99
"""Largest price an event, a catalogue entry or an override may carry."""


def to_cents(amount: float) -> float:
    """Round to the minor unit: Python's `round`, which sees the exact value and takes ties to even."""
    return round(amount, MINOR_UNITS)


def is_price(amount: float) -> bool:
    """Whether a number is a price: above zero and at most `PRICE_MAX` (so neither NaN nor infinite)."""
    return 0 < amount <= PRICE_MAX
