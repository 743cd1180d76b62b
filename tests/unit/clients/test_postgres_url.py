"""URLs of Postgres: every part of a URL is kept."""

import pytest

from clients.postgres import DEFAULTS, SERVER_OPTIONS, check_url, parameters


def test_defaults_hold_unless_the_url_gives_others() -> None:
    assert parameters("postgresql://u:p@h/d")["connect_timeout"] == DEFAULTS["connect_timeout"]
    found = parameters("postgres://u:p@h:5433/d?sslmode=verify-full&connect_timeout=9&application_name=shop")
    assert (found["sslmode"], found["connect_timeout"], found["application_name"]) == ("verify-full", "9", "shop")
    assert (found["host"], found["port"], found["dbname"], found["user"]) == ("h", "5433", "d", "u")


def test_options_of_the_url_follow_ours_so_that_they_hold() -> None:
    assert parameters("postgresql://h/d")["options"] == SERVER_OPTIONS
    url = "postgresql://h/d?options=-c%20search_path%3Dshop%20-c%20statement_timeout%3D1000"
    assert parameters(url)["options"] == f"{SERVER_OPTIONS} -c search_path=shop -c statement_timeout=1000"


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "postgresql://h:port/d", "postgresql://h:99999/d", "postgresql://h/d?nonsense=1"]
)
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


def test_several_hosts_are_one_url() -> None:
    check_url("postgresql://u@h1:5432,h2:5433/d?target_session_attrs=read-write")
