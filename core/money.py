"""Money as IEEE doubles, rounded once, half to even, to the currency's minor unit."""

MINOR_UNITS = 2
"""Decimal places of every price: SQL holds prices as NUMBER(12,2)."""

CENT = 0.01
PRICE_MAX = 999_999_999.99
"""Largest price an event, a catalogue entry or an override may carry."""


def cents(amount: float) -> int:
    """An amount in whole cents, as Python's `round(amount, 2)` rounds: it sees the exact value and takes ties
    to even. At a fraction of its time.

    Below 1e10, `amount * 100` is off by less than 1e-3; so where it is further than that from a half, its
    nearest integer is the right number of cents."""
    scaled = amount * 100
    if -1e12 < scaled < 1e12:
        nearest = round(scaled)
        if -0.499 < scaled - nearest < 0.499:
            return nearest
    return round(round(amount, MINOR_UNITS) * 100)


def to_cents(amount: float) -> float:
    """Round to the minor unit: `round(amount, 2)`, to the last bit, for amounts below 1e10."""
    return cents(amount) / 100


def cents_between(higher: float, lower: float) -> float:
    """The difference of two amounts in whole cents, in whole cents."""
    return (round(higher * 100) - round(lower * 100)) / 100


def is_price(amount: float) -> bool:
    """Whether a number is a price: above zero and at most `PRICE_MAX` (so neither NaN nor infinite)."""
    return 0 < amount <= PRICE_MAX
