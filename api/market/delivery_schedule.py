"""The schedule of a delivery: its attempts, the time of the next one, and its end. Pure: no clock, no network.

A delivery is one alert for one URL. Its record in the topic of deliveries is JSON: the market's flow writes `id`,
`url`, `at` and `alert`, and a failed attempt adds `first_at_ms`, `attempts` and `next_at_ms`."""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from core.timestamps import DAY_MS, LATEST_MS

RECORD_BYTES_MAX = 65_536
"""A larger record is no delivery. The flow's are below 4 KB: an alert, a URL of at most 2,000 characters."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

GONE = 410
"""HTTP status of a receiver that wants no more of these deliveries."""

Outcome = Literal["delivered", "failed", "given_up"]
"""The end of an attempt. After `failed` there is another attempt."""

_Ms = Annotated[int, msgspec.Meta(ge=0, lt=LATEST_MS)]


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """A delivery as its record has it. id: of the alert. at: of the alert, RFC 3339. alert: the JSON object that is
    sent, byte by byte. first_at_ms, next_at_ms: UTC milliseconds of the first and of the next attempt. attempts:
    those that have failed, 0 before the first one."""

    id: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,400}\Z")]
    url: str
    at: str
    alert: msgspec.Raw
    first_at_ms: _Ms = 0
    attempts: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    next_at_ms: _Ms = 0


class Schedule(msgspec.Struct, frozen=True):
    """The times of attempts. delays_ms: before the second attempt, the third and so on; the last one repeats.

    jitter: the part by which a delay is longer or shorter at random, so that deliveries that failed together are
    not tried again together. give_up_after_ms: from the first attempt; at that time the last one is made.
    first_retry_max_ms, retry_max_ms: the longest delay, of the first retry and of later ones, that a receiver may
    ask for. The first keeps the promise that a delivery is first retried within 30 s."""

    delays_ms: tuple[int, ...] = (
        5 * SECOND_MS,
        30 * SECOND_MS,
        2 * MINUTE_MS,
        10 * MINUTE_MS,
        30 * MINUTE_MS,
        HOUR_MS,
    )
    jitter: float = 0.1
    give_up_after_ms: int = DAY_MS
    first_retry_max_ms: int = 15 * SECOND_MS
    retry_max_ms: int = HOUR_MS

    def longest_ms(self) -> int:
        """The longest delay between two attempts."""
        return max(self.retry_max_ms, int(max(self.delays_ms) * (1 + self.jitter)))

    def delay_ms(self, attempts: int, retry_after_ms: int, chance: float) -> int:
        """The delay after `attempts` failed ones (1 or more). retry_after_ms: the receiver's wish, 0 for none; it
        makes the delay longer, never shorter. chance: a random number from 0 to 1."""
        planned = self.delays_ms[min(attempts, len(self.delays_ms)) - 1]
        spread = planned * (1 + self.jitter * (2 * chance - 1))
        bound = self.first_retry_max_ms if attempts == 1 else self.retry_max_ms
        return max(int(spread), min(retry_after_ms, bound))


def decode_delivery(value: bytes) -> Delivery | None:
    """The delivery of a record. None if the record is not usable: any program can write to the topic."""
    if len(value) > RECORD_BYTES_MAX:
        return None
    try:
        # msgspec does not check the text inside of `alert`, and it is signed as text.
        value.decode()
        delivery = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return delivery if bytes(delivery.alert).startswith(b"{") else None


_decode = msgspec.json.Decoder(Delivery).decode
encode_delivery: Callable[[Delivery], bytes] = msgspec.json.Encoder().encode
"""The record of a delivery."""


def judge(status: int | None) -> Outcome:
    """The outcome of an attempt by the HTTP status of its answer, None for no answer. A redirect has failed: the
    address that it names was not checked."""
    if status is not None and 200 <= status < 300:
        return "delivered"
    return "given_up" if status == GONE else "failed"


def after_failure(
    delivery: Delivery, schedule: Schedule, now_ms: int, *, began_ms: int, retry_after_ms: int = 0, chance: float
) -> Delivery | None:
    """The delivery after a failed attempt, or None if it is given up. now_ms, began_ms: end and beginning of the
    attempt. Other arguments: of `Schedule.delay_ms`.

    The last attempt is made at the end of the time or, after a stop of this system, later: none is given up while
    nobody tries."""
    first_at_ms = delivery.first_at_ms or began_ms
    end_ms = first_at_ms + schedule.give_up_after_ms
    if now_ms >= end_ms:
        return None
    attempts = delivery.attempts + 1
    next_at_ms = min(end_ms, now_ms + schedule.delay_ms(attempts, retry_after_ms, chance))
    return msgspec.structs.replace(delivery, first_at_ms=first_at_ms, attempts=attempts, next_at_ms=next_at_ms)


def due_at_ms(delivery: Delivery, schedule: Schedule, now_ms: int) -> int:
    """The time of the next attempt, UTC milliseconds. A record whose time is further away than any delay comes from
    a clock that was wrong, so it is due after the longest delay."""
    return min(delivery.next_at_ms, now_ms + schedule.longest_ms())
