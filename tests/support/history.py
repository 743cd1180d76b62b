"""Rows of history, made from signals."""

from pricing.decision import to_priced
from pricing.policy import default_policy
from pricing.state.shard import Shard
from sinks.history.pricing import encode_history
from tests.support.shards import apply


def rows_of(*signals: object) -> list[bytes]:
    """Return the encoded rows of signals of one shard, in order. The first signal's offset is 42."""
    shard = Shard(default_policy())
    rows: list[bytes] = []
    for offset, signal in enumerate(signals, 42):
        rows += encode_history(to_priced(apply(shard, signal, offset=offset)))  # type: ignore[arg-type]
    return rows
