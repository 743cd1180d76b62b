"""After a crash, a product of the catalogue is decided once more, and all outputs end at the same version."""

from tests.chaos.catalogued import newest_of_all
from tests.support.pipeline import Pipeline, wait_for


def test_a_product_of_the_catalogue_ends_alike_on_all_outputs_after_a_crash(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    pipeline.event("B", 10.0)
    pipeline.flush()
    pipeline.wait_for_commit("product-events")
    pipeline.stop_flow()
    pipeline.start_flow(commit_every_s=600)
    entry = {"product_id": "A", "name": "Mug", "category": "kitchen", "base_price": 10.0}
    pipeline.send("product-catalogue", "A", entry)
    pipeline.event("A", 20.0)
    pipeline.flush()
    pipeline.wait_for_version("A", 1)
    pipeline.kill_flow()
    pipeline.start_flow()
    # Two executions begun since the last that settled and committed.
    restored = 2_000_000
    pipeline.wait_for_version("A", restored)
    wait_for(
        lambda: set(newest_of_all(pipeline, ["A"])["A"].values()) == {(restored, 25.0)},
        what=lambda: str(newest_of_all(pipeline, ["A"])),
    )
    rows = pipeline.history("version, cause, price")
    assert (restored, "restored", 25) in rows
    pipeline.stop_flow()
