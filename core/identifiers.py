"""Identifiers of products: the one form that every topic, key and route takes."""

import re

IDENTIFIER_MAX_CHARS = 64
IDENTIFIER = re.compile(rf"[A-Za-z0-9_.:-]{{1,{IDENTIFIER_MAX_CHARS}}}", re.ASCII)


def is_identifier(text: str) -> bool:
    return IDENTIFIER.fullmatch(text) is not None
