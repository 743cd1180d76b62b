"""Money as IEEE doubles, rounded once, half to even, to the currency's minor unit."""

MINOR_UNITS = 2
"""Decimal places of every price: SQL holds prices as NUMBER(12,2)."""

CENT = 0.01
PRICE_MAX = 999_999_999.99
"""Largest price that an event, a catalogue entry or an override may have."""


def cents(amount: float) -> int:
    """An amount in whole cents, rounded as Python's `round(amount, 2)`: from the exact value, ties to even. It
    takes a fraction of the time of `round`.

    Below 1e10, the error of `amount * 100` is less than 1e-3. So if it is further than that from a half,
    its nearest integer is the right number of cents. For all other amounts, `round` decides."""
    scaled = amount * 100
    if -1e12 < scaled < 1e12:
        nearest = round(scaled)
        if -0.499 < scaled - nearest < 0.499:
            return nearest
    return round(round(amount, MINOR_UNITS) * 100)


def to_cents(amount: float) -> float:
    """An amount rounded to the minor unit. Below 1e10 it equals `round(amount, 2)` to the last bit."""
    return cents(amount) / 100


def cents_between(higher: float, lower: float) -> float:
    """`higher - lower` of two amounts in whole cents. The result is in whole cents too, which a plain subtraction
    of floats does not give. It may be negative."""
    return (round(higher * 100) - round(lower * 100)) / 100


def is_price(amount: float) -> bool:
    """True if a number is a price: above zero and at most `PRICE_MAX`, so neither NaN nor infinite."""
    return 0 < amount <= PRICE_MAX
