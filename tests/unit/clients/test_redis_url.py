"""URLs of Redis: every documented form is accepted. The error for any other form shows no part of it."""

from pathlib import Path

import pytest

from clients.redis import RedisEndpoint, greeting, parse_address, parse_url


def test_an_address_is_a_url_without_a_login() -> None:
    assert (
        parse_address("localhost:6379") == parse_url("redis://localhost") == RedisEndpoint((("localhost", 6379),))
    )
    assert parse_address("[::1]:7000", "secret") == RedisEndpoint((("::1", 7000),), password="secret")


def test_a_url_has_user_password_and_database() -> None:
    assert parse_url("redis://ann:p%40ss%3A%2F@redis.local:6380/3") == RedisEndpoint(
        (("redis.local", 6380),), "ann", "p@ss:/", 3
    )
    assert parse_url("redis://:secret@h") == RedisEndpoint((("h", 6379),), None, "secret")


def test_tls_takes_files_that_exist(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match="ssl_ca_certs names no file"):
        parse_url(f"rediss://h?ssl_ca_certs={ca}")
    ca.touch()
    assert parse_url("rediss://h/1").tls == {}
    assert parse_url(f"rediss://h/1?ssl_ca_certs={ca}").tls == {"ssl_ca_certs": str(ca)}


def test_sentinels_have_a_service() -> None:
    found = parse_url("redis+sentinel://ann:pw@s1:26380,s2/prices/2?sentinel_username=sen&sentinel_password=tinel")
    assert found.hosts == (("s1", 26380), ("s2", 26379))
    assert (found.service, found.database, found.username, found.password) == ("prices", 2, "ann", "pw")
    assert found.sentinel_login == {"username": "sen", "password": "tinel"}
    assert parse_url("rediss+sentinel://s1/prices").tls == {}
    assert parse_url("redis+sentinel://s1, s2,/prices").hosts == (("s1", 26379), ("s2", 26379))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://h",
        "redis://",
        "redis://h:99999",
        "redis://h/notanumber",
        "redis://h/1/2",
        "redis://h1,h2/0",
        "redis://ann@h",
        "redis://ann:sw@rdfish@h",
        "redis://h?ssl_ca_certs=x",
        "redis://h?swordfish=1",
        "redis+sentinel://h",
        "redis+sentinel://h//3",
        "rediss://h?decode_responses=1",
    ],
)
def test_another_form_is_refused_without_naming_its_parts(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_url(url)
    assert "fish" not in str(refusal.value)


def test_no_password_is_shown() -> None:
    endpoint = parse_url("redis+sentinel://ann:swordfish@s1,s2/prices?sentinel_password=tunafish")
    assert repr(endpoint) == str(endpoint) == "RedisEndpoint(s1:26379,s2:26379)"


def test_a_bare_connection_is_greeted_with_login_and_database() -> None:
    assert greeting(parse_url("redis://h")) == [[b"HELLO", b"3"]]
    assert greeting(parse_url("redis://ann:pw@h/2")) == [
        [b"HELLO", b"3", b"AUTH", b"ann", b"pw"],
        [b"SELECT", b"2"],
    ]
    assert greeting(parse_url("redis://:pw@h")) == [[b"HELLO", b"3", b"AUTH", b"default", b"pw"]]
