"""Subscriptions: the query string and the messages of a WebSocket client, and the messages about them to it.

The same for every system. A system has its own word for a key, such as `product`: its plural names the query
parameter and the field of a message that list keys."""

from collections.abc import Callable

import msgspec

from api.web.errors import ApiError
from api.web.requests import PAGE_MAX, parse_ids
from core.identifiers import is_identifier

CONFLATE_MS_MAX = 60_000


class Subscription(msgspec.Struct, frozen=True):
    """The query string of a client. keys: the keys that it watches; None for all. snapshot: the current state comes
    first. conflate_s: seconds between two sends of the newest of each key; None for every update. by_message: the
    client chooses its keys by messages."""

    keys: list[str] | None
    snapshot: bool
    conflate_s: float | None
    by_message: bool


class Pulse(msgspec.Struct, frozen=True, tag_field="type", tag="pulse"):
    """A message to clients of `subscribe=1`, every second. It shows that the connection works.

    at_ms: its time, UTC. live: false during an outage of Kafka. frames: the number of updates that were sent before
    it on this connection, so that the client can tell that it has received all of them."""

    at_ms: int
    live: bool
    frames: int


class Problem(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """A message to clients of `subscribe=1`: states that they have asked for cannot be read."""

    error: str


class BadMessageError(Exception):
    """A message of a client is malformed. Its text is for the client."""


class KeyForm(msgspec.Struct, frozen=True):
    """The form of a system's keys. noun: the system's word for a key. is_key: true for a text that is one. takes:
    the error for any other text; None for that of identifiers."""

    noun: str
    is_key: Callable[[str], bool] = is_identifier
    takes: str | None = None

    @property
    def plural(self) -> str:
        """The name of the query parameter and of the field of a message."""
        return f"{self.noun}s"


def parse_subscription(query: dict[str, str], form: KeyForm) -> Subscription:
    """The subscription of a query string. Raises ApiError (400)."""
    plural = form.plural
    by_message = query.get("subscribe", "0")
    if by_message not in {"0", "1"} or (by_message == "1" and plural in query):
        raise ApiError(400, f"subscribe takes 0 or 1, and 1 only without {plural}")
    keys: list[str] | None = [] if by_message == "1" else None
    if plural in query:
        keys = list(dict.fromkeys(_parse_keys(query[plural], form)))
    snapshot = query.get("snapshot", "0")
    if snapshot not in {"0", "1"}:
        raise ApiError(400, "snapshot takes 0 or 1")
    conflate_s = None
    if (text := query.get("conflate_ms")) is not None:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= CONFLATE_MS_MAX and len(text) < 7):
            raise ApiError(400, f"conflate_ms takes a whole number from 1 to {CONFLATE_MS_MAX}")
        conflate_s = int(text) / 1000
    return Subscription(keys, snapshot == "1", conflate_s, by_message == "1")


def _parse_keys(text: str, form: KeyForm) -> list[str]:
    if form.takes is None:
        return parse_ids(text, noun=form.noun)
    keys = text.split(",")
    if len(keys) > PAGE_MAX:
        raise ApiError(400, f"at most {PAGE_MAX} {form.plural}")
    if not all(map(form.is_key, keys)):
        raise ApiError(400, form.takes)
    return keys


def subscribe_parser(form: KeyForm) -> Callable[[str], dict[str, int]]:
    """A function that parses a message of a client of `subscribe=1`, `{"type": "subscribe", "products": {"A":
    17}}`: the keys that it watches from now on, with the version of each that it has, 0 for none. The function
    raises BadMessageError."""
    plural = form.plural
    fields = [(plural, dict[str, int])]
    message = msgspec.defstruct("Subscribe", fields, frozen=True, tag_field="type", tag="subscribe")
    decode = msgspec.json.Decoder(message).decode

    def parse(text: str) -> dict[str, int]:
        try:
            versions: dict[str, int] = getattr(decode(text), plural)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            raise BadMessageError(
                f"a message takes type subscribe, and {plural}: ids with the versions you have"
            ) from None
        if len(versions) > PAGE_MAX:
            raise BadMessageError(f"at most {PAGE_MAX} {form.noun} ids")
        if not all(map(form.is_key, versions)):
            raise BadMessageError(f"{plural} takes ids of {plural}")
        return versions

    return parse
