"""`KAFKA_OPTIONS`: names and values, and values with a semicolon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.kafka import check_options, parse_options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        (" ; ", {}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        (" a = 1 ; b = two words ;", {"a": "1", "b": "two words"}),
        ("sasl.password=p@ss=word", {"sasl.password": "p@ss=word"}),
        ("a=it's", {"a": "it's"}),
        (r"ssl.ca.location=C:\certs\ca.pem", {"ssl.ca.location": r"C:\certs\ca.pem"}),
        ("a='x;y';b=2", {"a": "x;y", "b": "2"}),
        (r"a='it\'s \\';b=''", {"a": "it's \\", "b": ""}),
        (r"""a="x;'y";b="\"";c=3""", {"a": "x;'y", "b": '"', "c": "3"}),
        # Azure Event Hubs needs a value with semicolons.
        (
            "sasl.username=$ConnectionString;sasl.password='Endpoint=sb://x/;SharedAccessKey=k='",
            {"sasl.username": "$ConnectionString", "sasl.password": "Endpoint=sb://x/;SharedAccessKey=k="},
        ),
    ],
)
def test_options_are_read(text: str, options: dict[str, str]) -> None:
    assert parse_options(text) == options


@pytest.mark.parametrize("text", ["a", "=1", "a=1;b", "a='open", "a='x'y", "a='x\\'", 'a="open', "a='x\""])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name=value"):
        parse_options(text)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z.]{0,20}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_any_value_can_be_written_in_quotes(options: dict[str, str]) -> None:
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in options.items()}
    assert parse_options(";".join(f"{name}='{value}'" for name, value in quoted.items())) == options


def test_what_librdkafka_does_not_take_is_refused() -> None:
    check_options({"client.id": "pricewax"})
    with pytest.raises(ValueError, match=r"bogus\.option"):
        check_options({"bogus.option": "1"})
