"""URLs of Postgres: every part of a URL is kept."""

from urllib.parse import quote

import pytest

from clients.postgres import DEFAULTS, SESSION, check_url, parameters, session_settings


def test_defaults_hold_unless_the_url_gives_others() -> None:
    assert parameters("postgresql://u:p@h/d")["connect_timeout"] == DEFAULTS["connect_timeout"]
    found = parameters("postgres://u:p@h:5433/d?sslmode=verify-full&connect_timeout=9&application_name=shop")
    assert (found["sslmode"], found["connect_timeout"], found["application_name"]) == ("verify-full", "9", "shop")
    assert (found["host"], found["port"], found["dbname"], found["user"]) == ("h", "5433", "d", "u")


def test_options_of_the_url_hold_and_ours_come_after_the_connection_is_made() -> None:
    assert "options" not in parameters("postgresql://h/d")
    assert session_settings("postgresql://h/d", None) == SESSION
    options = "-c search_path=shop --lock-timeout=1s -cTimeZone=Europe/Paris"
    url = f"postgresql://h/d?options={quote(options)}"
    assert parameters(url)["options"] == options
    assert session_settings(url, None) == {"statement_timeout": "10000"}
    assert session_settings("postgresql://h/d", "shop")["search_path"] == '"shop"'


def test_text_is_utf_8_in_every_database() -> None:
    assert parameters("postgresql://h/d?client_encoding=LATIN1")["client_encoding"] == "UTF8"


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "postgresql://h:port/d", "postgresql://h:99999/d", "postgresql://h/d?nonsense=1"]
)
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.mark.parametrize(
    "password", ["sword@fish", "1/fish", "1/sword@fish", "sword/fish", "sw?rd@fish", "sw%rd:fish"]
)
def test_a_password_that_is_not_encoded_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        check_url(f"postgresql://shop:{password}@db.example.org:5432/history")
    assert "fish" not in str(refusal.value)
    check_url(f"postgresql://shop:{quote(password, safe='')}@db.example.org:5432/history")


def test_several_hosts_are_one_url() -> None:
    check_url("postgresql://u@h1:5432,h2:5433/d?target_session_attrs=read-write")
