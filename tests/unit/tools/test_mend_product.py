"""The repair of a product shows the price after it, which Redis may have a moment later."""

import threading
from collections.abc import Callable

import msgspec
import pytest

from core.errors import LetterError
from settings import Settings
from sinks.redis.reader import StoredPrice
from tools import mend_product

BEFORE = StoredPrice("A", 9.0, 1.0, 5, "dynamic", None, 0, [], 0, "p", None, -1)
AFTER = msgspec.structs.replace(BEFORE, version=6)


def shown_by(*answers: StoredPrice | None) -> Callable[..., StoredPrice | None]:
    left = list(answers)
    return lambda *_: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend_product, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(mend_product, "ANSWER_WITHIN_S", 0.05)


def test_it_waits_for_the_new_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend_product, "_read", shown_by(BEFORE, None, BEFORE, AFTER))
    assert mend_product._read_newer(Settings(), BEFORE, threading.Event()) == AFTER


def test_it_says_that_redis_has_no_new_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mend_product, "_read", shown_by(BEFORE))
    with pytest.raises(LetterError, match="applied, and Redis still has the price of before"):
        mend_product._read_newer(Settings(), BEFORE, threading.Event())
