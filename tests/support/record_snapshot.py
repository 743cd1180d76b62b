"""`python -m tests.support.record_snapshot`: write a snapshot in the format of this code, as
`tests/unit/pricing/snapshots/format-N.bin`. Run it before a change that raises `FORMAT`, with the code of
before."""

from pricing.policy import default_policy
from pricing.state.shard import Shard
from pricing.state.snapshot import FORMAT
from tests.support.pipeline import ROOT

SNAPSHOTS = ROOT / "tests" / "unit" / "pricing" / "snapshots"


def main() -> None:
    """Write the state of the snapshot before, in the format of this code."""
    shard = Shard(default_policy(), (SNAPSHOTS / f"format-{FORMAT - 1}.bin").read_bytes())
    path = SNAPSHOTS / f"format-{FORMAT}.bin"
    path.write_bytes(shard.snapshot())
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
