"""The decoder of pgoutput on bytes that a Postgres 18 sent."""

import pytest

from connectors.postgres_cdc.pgoutput import (
    Begin,
    Column,
    Commit,
    Delete,
    Insert,
    MalformedError,
    Message,
    Relation,
    Truncate,
    Unchanged,
    Update,
    decode,
)

OID = 16385
RELATION = (
    "52000040017075626c69630073686f70006400030169640000000019ffffffff00707269636500000006a4ffffffff006e6f7465000000"
    "0019ffffffff"
)
RECORDED: list[tuple[str, Message | None]] = [
    ("420000000001af59f0000304495f074318000002f5", Begin()),
    (
        RELATION,
        Relation(OID, "public", "shop", (Column("id", True), Column("price", False), Column("note", False))),
    ),
    (
        "49000040014e00037400000002c3a9740000001731323334353637383930313233343536373839302e31306e",
        Insert(OID, ("é", "12345678901234567890.10", None)),
    ),
    ("43000000000001af59f00000000001af5a20000304495f074318", Commit(0x1AF5A20)),
    ("55000040014e00037400000002c3a97400000001326e", Update(OID, None, ("é", "2", None))),
    # The key changes: only the old key is there.
    (
        "55000040014b00037400000002c3a96e6e4e00037400000001627400000001326e",
        Update(OID, ("é", None, None), ("b", "2", None)),
    ),
    # A value that is stored apart does not change.
    ("55000040014e000374000000016274000000013375", Update(OID, None, ("b", "3", Unchanged.VALUE))),
    ("44000040014b00037400000001626e6e", Delete(OID, ("b", None, None), is_whole=False)),
    # Replica identity FULL.
    (
        "55000040014f000374000000016374000000013174000000016e4e000374000000016374000000013274000000016e",
        Update(OID, ("c", "1", "n"), ("c", "2", "n")),
    ),
    ("44000040014f000374000000016374000000013274000000016e", Delete(OID, ("c", "2", "n"), is_whole=True)),
    ("54000000010000004001", Truncate((OID,))),
    # The origin of a transaction, and a message of an application.
    ("4f00000000000000016e616d6500", None),
    ("4d0100000000000000017000000000" + "0178", None),
]


@pytest.mark.parametrize(("recorded", "expected"), RECORDED)
def test_recorded_bytes(recorded: str, expected: Message | None) -> None:
    assert decode(bytes.fromhex(recorded)) == expected


@pytest.mark.parametrize("recorded", [recorded for recorded, expected in RECORDED if expected is not None])
def test_bytes_that_are_cut_off_are_refused(recorded: str) -> None:
    data = bytes.fromhex(recorded)
    for size in range(len(data)):
        with pytest.raises(MalformedError):
            decode(data[:size])


@pytest.mark.parametrize("data", [b"", b"X", b"I\0\0@\1K", b"U\0\0@\1X", b"I\0\0@\1N\0\1z", b"D\0\0@\1N\0\0"])
def test_unknown_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)
