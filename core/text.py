"""Text that people write: names, categories, reasons. All text but control characters and line breaks is taken, and
kept in one form, so that equal texts are equal bytes.

Spaces of all kinds, joiners, soft hyphens, emoji and marks of direction are part of names in many scripts. See
`docs/decisions/0031-text.md`."""

import re
from unicodedata import category, is_normalized, normalize

DECOMPOSED_MAX = 4
"""Code points that one code point of a text in NFC may have in another form."""

# C0 and C1 controls, the line and paragraph separators, and halves of surrogate pairs, which are no characters.
_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_OPENS = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")
"""Marks that change the direction of the text after them, and the mark that ends each."""

_DIRECTED = re.compile(f"[{''.join(_OPENS)}]")


def has_controls(text: str) -> bool:
    """True if a text has a control character, a line break or a lone surrogate."""
    return _REFUSED.search(text) is not None


def to_nfc(text: str, chars_max: int) -> str:
    """The text in Unicode's form NFC. A text that has more than `chars_max` code points in any form is returned as
    it is, because normalizing takes quadratic time in the worst case."""
    if text.isascii() or len(text) > DECOMPOSED_MAX * chars_max or is_normalized("NFC", text):
        return text
    return normalize("NFC", text)


def clean_text(text: str, chars_max: int) -> str | None:
    """The text in NFC. None if it is empty, has more than `chars_max` code points in NFC, or `has_controls`."""
    normal = to_nfc(text, chars_max)
    return normal if 0 < len(normal) <= chars_max and not has_controls(normal) else None


def is_blank(text: str) -> bool:
    """True if nothing of a text can be seen: it has only spaces and marks of format, such as joiners."""
    return all(each.isspace() or category(each) == "Cf" for each in text)


def close_directions(text: str) -> str:
    """The text for a place inside a sentence: changes of direction that it leaves open are ended, so that they do
    not turn the rest of the sentence round."""
    if not _DIRECTED.search(text):
        return text
    open_marks: list[str] = []
    for each in text:
        if each in _OPENS:
            open_marks.append(_OPENS[each])
        elif each == "\u202c" and open_marks[-1:] == [each]:
            open_marks.pop()
        elif each == "\u2069" and each in open_marks:
            # The end of an isolate also ends the embeddings that were opened in it.
            while open_marks.pop() != each:
                pass
    return text + "".join(reversed(open_marks))
