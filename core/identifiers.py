"""Identifiers of products: the one form that every topic, key and route accepts."""

import re
from collections.abc import Sequence

IDENTIFIER_MAX_CHARS = 64
IDENTIFIER = re.compile(rf"[A-Za-z0-9_.:-]{{1,{IDENTIFIER_MAX_CHARS}}}", re.ASCII)


def is_identifier(text: str) -> bool:
    """True if a text is a product id: 1 to 64 ASCII letters, digits, dots, colons, hyphens and underscores."""
    return IDENTIFIER.fullmatch(text) is not None


IDENTIFIER_BYTES = bytes(byte for byte in range(128) if is_identifier(chr(byte)))
"""The characters of identifiers."""


def are_identifiers(texts: Sequence[str]) -> bool:
    """True if all texts are identifiers. They are looked at all at once; there is at least one."""
    # No identifier has a line break, so only those between the texts must be left.
    if "\n".join(texts).encode().translate(None, IDENTIFIER_BYTES) != b"\n" * (len(texts) - 1):
        return False
    lengths = set(map(len, texts))
    return 0 not in lengths and max(lengths) <= IDENTIFIER_MAX_CHARS
