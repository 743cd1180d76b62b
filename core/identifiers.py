"""Identifiers of products: the one form that every topic, key and route accepts."""

import re

IDENTIFIER_MAX_CHARS = 64
IDENTIFIER = re.compile(rf"[A-Za-z0-9_.:-]{{1,{IDENTIFIER_MAX_CHARS}}}", re.ASCII)


def is_identifier(text: str) -> bool:
    """True if a text is a product id: 1 to 64 ASCII letters, digits, dots, colons, hyphens and underscores."""
    return IDENTIFIER.fullmatch(text) is not None
