"""The schedule of a delivery: delays, the end, and records that are not usable."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.market.delivery_schedule import (
    HOUR_MS,
    MINUTE_MS,
    RECORD_BYTES_MAX,
    SECOND_MS,
    Delivery,
    Outcome,
    Schedule,
    after_failure,
    decode_delivery,
    due_at_ms,
    encode_delivery,
    judge,
)
from core.timestamps import DAY_MS

BEGAN_MS = 1_700_000_000_000
ANSWER_MS = 10 * SECOND_MS
EXACT = Schedule(jitter=0.0)
NEW = Delivery("a", "https://example.com/", "2026-01-01T00:00:00Z", msgspec.Raw(b"{}"))


def fail(
    delivery: Delivery, now_ms: int, *, retry_after_ms: int = 0, schedule: Schedule = EXACT
) -> Delivery | None:
    """The delivery after an attempt that took no time."""
    return after_failure(delivery, schedule, now_ms, began_ms=now_ms, retry_after_ms=retry_after_ms, chance=0.5)


def test_attempts_go_on_for_a_day_with_longer_and_longer_delays() -> None:
    times_ms, delivery = [0], fail(NEW, BEGAN_MS)
    while delivery is not None:
        times_ms.append(delivery.next_at_ms - BEGAN_MS)
        delivery = fail(delivery, delivery.next_at_ms)
    delays_ms = [after - before for before, after in itertools.pairwise(times_ms)]
    assert delays_ms[:6] == [5_000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS]
    assert set(delays_ms[5:-1]) == {HOUR_MS}
    # The last attempt is at the end of the day, and nothing is given up before it.
    assert times_ms[-1] == DAY_MS


@given(chance=st.floats(0, 1), retry_after_ms=st.integers(0, 10 * DAY_MS), took_ms=st.integers(0, ANSWER_MS))
def test_the_first_retry_is_within_30_s_of_the_first_attempt(
    chance: float, retry_after_ms: int, took_ms: int
) -> None:
    retried = after_failure(
        NEW,
        Schedule(),
        BEGAN_MS + took_ms,
        began_ms=BEGAN_MS,
        retry_after_ms=retry_after_ms,
        chance=chance,
    )
    assert retried is not None
    assert retried.first_at_ms == BEGAN_MS
    assert BEGAN_MS < retried.next_at_ms <= BEGAN_MS + 30 * SECOND_MS


@given(attempts=st.integers(1, 50), chance=st.floats(0, 1), retry_after_ms=st.integers(0, 10 * DAY_MS))
def test_no_delay_is_longer_than_the_longest(attempts: int, chance: float, retry_after_ms: int) -> None:
    schedule = Schedule()
    delay_ms = schedule.delay_ms(attempts, retry_after_ms, chance)
    assert delay_ms <= schedule.longest_ms()
    assert delay_ms >= schedule.delays_ms[min(attempts, 6) - 1] * 0.9 - 1


def test_a_receiver_may_ask_for_a_longer_delay_but_not_for_a_shorter_one() -> None:
    again = fail(NEW, BEGAN_MS)
    assert again is not None
    for asked_ms, delay_ms in ((MINUTE_MS, MINUTE_MS), (SECOND_MS, 30_000), (DAY_MS, HOUR_MS)):
        later = fail(again, BEGAN_MS, retry_after_ms=asked_ms)
        assert later is not None
        assert later.next_at_ms - BEGAN_MS == delay_ms


def test_a_delivery_of_a_system_that_was_down_for_days_has_one_more_attempt() -> None:
    kept = msgspec.structs.replace(NEW, first_at_ms=BEGAN_MS, attempts=3, next_at_ms=BEGAN_MS + MINUTE_MS)
    now_ms = BEGAN_MS + 3 * DAY_MS
    assert due_at_ms(kept, EXACT, now_ms) <= now_ms
    assert fail(kept, now_ms) is None


def test_a_time_of_a_wrong_clock_is_at_most_the_longest_delay_away() -> None:
    wrong = msgspec.structs.replace(NEW, next_at_ms=BEGAN_MS + 300 * DAY_MS)
    assert due_at_ms(wrong, EXACT, BEGAN_MS) == BEGAN_MS + HOUR_MS


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "delivered") for status in (200, 201, 204, 299)),
        *((status, "failed") for status in (None, 100, 199, 300, 301, 302, 308, 400, 404, 409, 429, 500, 503, 999)),
        (410, "given_up"),
    ],
)
def test_only_2xx_is_a_success_and_410_is_the_end(status: int | None, outcome: Outcome) -> None:
    assert judge(status) == outcome


def test_a_record_comes_back_as_it_was_with_the_same_bytes_of_the_alert() -> None:
    alert = '{"price": 1.50, "text": "über",  "at":"x"}'
    value = f'{{"id":"a","url":"https://example.com/","at":"t","alert":{alert},"future":1}}'.encode()
    delivery = decode_delivery(value)
    assert delivery is not None
    failed = fail(delivery, BEGAN_MS)
    assert failed is not None
    again = decode_delivery(encode_delivery(failed))
    assert again is not None
    assert bytes(again.alert) == alert.encode()
    assert (again.attempts, again.first_at_ms, again.next_at_ms) == (1, BEGAN_MS, BEGAN_MS + 5_000)


GOOD = b'{"id":"a","url":"u","at":"t","alert":{}}'


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"null",
        b"[" * 10_000,
        GOOD.replace(b'"a"', b'""'),
        GOOD.replace(b'"a"', b'"a b"'),
        GOOD.replace(b'"a"', b'"a\\r\\nx-header: 1"'),
        GOOD.replace(b'"a"', b'"a\\n"'),
        GOOD.replace(b'"a"', b'"%b"' % (b"a" * 401)),
        GOOD.replace(b"{}", b"[]"),
        GOOD.replace(b"{}", b'"text"'),
        GOOD.replace(b"{}", b'{"x":"\xff"}'),
        GOOD.replace(b"{}", b'{},"attempts":-1'),
        GOOD.replace(b"{}", b'{},"next_at_ms":99999999999999'),
        GOOD.replace(b"{}", b'{"x":"%b"}' % (b"x" * RECORD_BYTES_MAX)),
    ],
)
def test_a_record_that_is_not_usable_is_no_delivery(value: bytes) -> None:
    assert decode_delivery(GOOD) is not None
    assert decode_delivery(value) is None
