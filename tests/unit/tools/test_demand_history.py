"""The past of a shop as events of demand."""

from pathlib import Path

import pytest

from connectors.decode.forecasting import DemandKind, decode_demand
from connectors.decode.wire import RawMessage
from core.dead_letter import DeadLetter
from core.timestamps import DAY_MS, parse_rfc3339
from tests.support.pipeline import ROOT
from tools.demand_history import events_of

YEAR = ROOT / "data" / "online-retail-2010-12-to-2011-10.csv.gz"
END_MS = parse_rfc3339("2011-10-27T12:00:00Z")
NOW_MS = parse_rfc3339("2026-11-28T09:00:00Z")


def test_the_last_days_end_now_and_are_events_that_the_flow_takes() -> None:
    import msgspec

    events = events_of([YEAR], END_MS, 7, 60, NOW_MS)
    moments = [event["timestamp"] for event in events]
    assert NOW_MS - 7 * DAY_MS <= min(moments) <= max(moments) < NOW_MS  # type: ignore[type-var, operator]
    assert {event["event_type"] for event in events} == {"purchase", "cancel"}
    assert all(int(str(event["quantity"])) % 60 == 0 for event in events)
    for event in events:
        raw = RawMessage(0, b"", msgspec.json.encode(event), NOW_MS)
        assert not isinstance(decode_demand(DemandKind.DEMAND_EVENTS, raw, "t", 0), DeadLetter)


def test_a_time_without_invoices_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no invoice is of these days"):
        events_of([YEAR], END_MS + 400 * DAY_MS, 7, 1, NOW_MS)
    with pytest.raises(FileNotFoundError):
        events_of([tmp_path / "none.csv"], END_MS, 7, 1, NOW_MS)
