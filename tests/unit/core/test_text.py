"""Text that people write, in many scripts and forms."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean_text, close_directions, has_controls, is_blank, to_nfc
from pricing.commands import clean_reason, clean_scope
from pricing.decision import Adjustment
from pricing.explanation import explain
from tests.support.names import NAMES


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_real_names_are_text_and_stay_as_they_are(name: str) -> None:
    assert clean_text(name, 500) == name
    assert clean_text(unicodedata.normalize("NFD", name), 500) == name
    assert clean_reason(name) == name
    assert clean_scope(f"category:{unicodedata.normalize('NFD', name)}") == f"category:{name}"


@pytest.mark.parametrize("bad", ["\x00", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud83d"])
def test_controls_and_line_breaks_are_no_text(bad: str) -> None:
    assert has_controls(bad)
    assert clean_text(f"a{bad}b", 500) is None
    assert clean_reason(f"a{bad}b") is None
    assert clean_scope(f"category:a{bad}b") is None


def test_only_controls_line_breaks_and_surrogates_are_refused() -> None:
    refused = {chr(code) for code in range(sys.maxunicode + 1) if has_controls(chr(code))}
    expected = {
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp")
    }
    assert refused == expected


def test_lengths_are_code_points_in_nfc() -> None:
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    assert clean_text(family, 5) == family
    assert clean_text(family, 4) is None
    # Decomposed, this has 800 code points; composed, 200.
    vietnamese = "\u1ec7" * 200
    assert clean_reason(unicodedata.normalize("NFD", vietnamese)) == vietnamese
    assert clean_reason(vietnamese + "x") is None
    # Some characters are longer in NFC.
    assert clean_text("\u0958" * 200, 300) is None
    # A text that could take long to normalize is not normalized at all.
    assert to_nfc("\u0301\u0323" * 2000, 500) == "\u0301\u0323" * 2000
    assert clean_text("\u0301\u0323" * 2000, 500) is None


def test_a_reason_can_be_seen() -> None:
    for blank in (" ", "\u00a0\u3000", "\u200d", "\u00ad \u200e"):
        assert is_blank(blank)
        assert clean_reason(blank) is None
    assert not is_blank("\u200e\u05d0")


def test_a_change_of_direction_ends_with_its_text() -> None:
    assert close_directions("plain \u200f\u05d0") == "plain \u200f\u05d0"
    assert close_directions("a\u202eb") == "a\u202eb\u202c"
    assert close_directions("\u2067\u202ab") == "\u2067\u202ab\u202c\u2069"
    assert close_directions("\u2067\u202ab\u2069") == "\u2067\u202ab\u2069"
    assert close_directions("\u202ba\u202c") == "\u202ba\u202c"
    text = explain(
        2.0,
        1.0,
        0,
        "override",
        [Adjustment("base", 1.0, "r"), Adjustment("override", 1.0, "\u202eabc")],
        scale=100,
    )
    assert "\u202eabc\u202c)" in text


@given(st.text(max_size=600))
def test_any_text_is_clean_or_refused_once_and_for_all(text: str) -> None:
    clean = clean_text(text, 500)
    if clean is not None:
        assert unicodedata.is_normalized("NFC", clean)
        assert clean_text(clean, 500) == clean
        assert clean.encode()
