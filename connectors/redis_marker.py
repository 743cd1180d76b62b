"""The marker of Redis: it shows if Redis still holds what the flow has written.

The problem: a Redis may come back with older data, and nothing in it says so. It may have loaded an old file, or a
replica that was behind may have become the master. Then readers would see old prices until the next event of each
product.

The idea: at each look the flow writes a new value to the marker, and expects to find the value of the look before.
Data from before that look hold an older value, and empty data hold none. Data that are older by less than a look
hold the expected value, so the server's identity is compared too. It is the run id, which INFO tells. For a user
who may not call INFO, it is the number of the connection: every new connection may lead to another server.

A value is expected until a newer one is known to be written. The value and its comparison are one script, so if an
answer is lost, finding the new value proves that the expected one was there before."""

import secrets
from collections.abc import Callable
from typing import Any

import redis

import telemetry
from clients.redis import count_connections

SCRIPT = """
local found = redis.call('GET', KEYS[1])
for index = 2, #ARGV do
  if found == ARGV[index] then
    redis.call('SET', KEYS[1], ARGV[1])
    return true
  end
end
return found and 'another' or 'none'
"""
"""KEYS[1]: the marker. ARGV[1]: its new value. ARGV[2] and further: the values that are expected. Returns 1 if one
of them was there; else `another` or `none`, and then writes nothing."""

EXPECTED_MAX = 20

EMPTY, OLDER, OTHER_SERVER, EVICTED = (
    "Redis is empty",
    "Redis has older data",
    "another server",
    "Redis evicted keys",
)
"""Reasons for which Redis may lack rows of the flow."""

log = telemetry.get_logger("redis_watch")


class RedisMarker:
    """The marker at `key`. Belongs to the thread of the watch."""

    def __init__(self, client: "redis.Redis", key: str) -> None:
        self._client = client
        self._key = key
        self._connections: Callable[[], int] = count_connections(client)
        self._life = secrets.token_hex(8)
        self._looks = 0
        self._expected: list[str] = []
        self._looked = False
        self._server: tuple[str, Any] | None = None
        self._evicted: int | None = None
        self._policy: str | None = None
        self._blind = False

    def look(self, found: Callable[[str], None]) -> None:
        """Look at Redis and write the marker. `found` is called with each reason for which rows may be missing, as
        soon as it is known. The first look of a flow knows only if Redis was empty. Raises redis.RedisError; the
        next look then finds what this one would have found."""
        facts = self._info()
        reason = self._compare()
        # After the comparison, which may have made a connection.
        server = ("run", facts["run_id"]) if "run_id" in facts else ("connection", self._connections())
        if reason:
            found(reason)
            self._write()
        elif self._server is not None and self._server[0] == server[0] and self._server != server:
            found(OTHER_SERVER)
        elif self._evicted is not None and facts.get("evicted_keys", 0) > self._evicted:
            found(EVICTED)
        # Noted last: if an error comes before, the next look compares with the same values.
        self._server = server
        self._evicted = facts.get("evicted_keys")
        self._looked = True
        self._note_policy(facts.get("maxmemory_policy"))

    def _info(self) -> dict[str, Any]:
        """Facts about the server. Empty if the user may not ask for them."""
        try:
            facts: dict[str, Any] = self._client.info()
        except redis.exceptions.NoPermissionError as error:
            if not self._blind:
                self._blind = True
                log.warning(
                    "the Redis user may not call INFO: every new connection counts as another server,"
                    " and the eviction policy is not known",
                    error=str(error),
                )
            return {}
        self._blind = False
        return facts

    def _compare(self) -> str | None:
        """Replace the marker if it has an expected value, or at the first look of a flow, which expects none.
        Otherwise returns the reason, `EMPTY` or `OLDER`."""
        value = self._next()
        # Values of looks without an answer are expected too: they were written if the one before was there.
        expected, self._expected = self._expected, [*self._expected, value][-EXPECTED_MAX:]
        try:
            answer = self._client.eval(SCRIPT, 1, self._key, value, *expected)
        except redis.exceptions.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            answer = b"none"
        if answer == 1:
            self._expected = [value]
            return None
        self._expected = expected
        if answer in (b"none", "none"):
            return EMPTY
        if self._looked:
            return OLDER
        self._write()
        return None

    def _write(self) -> None:
        value = self._next()
        self._expected = [value]
        self._client.set(self._key, value)

    def _next(self) -> str:
        self._looks += 1
        return f"{self._life}:{self._looks}"

    def _note_policy(self, policy: str | None) -> None:
        if policy == self._policy:
            return
        if self._policy is not None:
            telemetry.set_alert("redis_evicts", self._policy, holds=False)
        self._policy = policy if policy is not None and policy.startswith("allkeys") else None
        if self._policy is not None:
            telemetry.set_alert("redis_evicts", self._policy, holds=True)
