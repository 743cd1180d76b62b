"""`python -m tests.support.record_folder OUT`: record the recovery folder of a stopped flow, for
`tests/integration/test_recorded_folder.py`. Run it before a change of the layout, with the code from before."""

import json
import lzma
import random
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from stack import kafka
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.pipeline import ROOT, Pipeline, wait_for

RECORDED = ROOT / "tests" / "support" / "recorded"
NAME = "trecorded00"
"""The pipeline's name. It is fixed, because it is in the names of the topics, and the folder holds these names."""

INPUTS = ("product-events", "product-catalogue", "price-overrides", "price-freezes")
PRODUCTS, EVENTS, LATER_EVENTS = 50, 800, 60


def feed(pipeline: Pipeline) -> None:
    """Send a catalogue, events of products in it and not in it, overrides (two stay, one is removed), a freeze, and
    more events. Returns when a snapshot of all of it is committed."""
    chance = random.Random(7)
    for index in range(40):
        entry = {"product_id": f"P{index}", "name": f"Product {index}", "category": f"c{index % 3}"}
        pipeline.send("product-catalogue", f"P{index}", {**entry, "base_price": 4.0 + index, "unit_cost": 1.0})
    for index in range(EVENTS):
        event_type = chance.choice(["view", "cart", "purchase"])
        product = f"P{chance.randrange(PRODUCTS)}"
        pipeline.event(product, 5.0 + index / 100, event_type, timestamp=1_700_000_000 + index)
    pipeline.flush()
    wait_for(lambda: len(pipeline.updates()) >= EVENTS, 60)
    for index, expires in ((3, None), (4, "2090-01-01T00:00:00Z"), (5, None)):
        override = {"product_id": f"P{index}", "override_price": 99.5 + index, "reason": "sale", "set_by": "admin"}
        override |= {"set_at": "2023-11-14T22:40:00Z", "expires_at": expires}
        pipeline.send("price-overrides", f"P{index}", override)
    pipeline.flush()
    wait_for(lambda: pipeline.redis.scard("overrides") == 3)
    pipeline.send("price-overrides", "P5", None)
    freeze = {"scope": "category:c1", "reason": "stock take", "set_by": "admin", "set_at": "2023-11-14T22:41:00Z"}
    pipeline.send("price-freezes", "category:c1", freeze)
    pipeline.flush()
    wait_for(lambda: pipeline.redis.scard("overrides") == 2 and pipeline.redis.hexists("freezes", "category:c1"))
    for index in range(LATER_EVENTS):
        pipeline.event(f"P{index % PRODUCTS}", 6.0, "view", timestamp=1_700_001_000 + index)
    pipeline.flush()
    pipeline.wait_for_commit("product-events")


def record(pipeline: Pipeline, out: Path) -> None:
    """Write the prices, the inputs and the recovery folder of a stopped flow to `out`."""
    prices = {key: pipeline.redis.hgetall(key) for key in sorted(pipeline.redis.keys("price:P*"))}
    inputs = [
        (topic, message.partition, (message.key or b"").decode(), message.value and message.value.decode())
        for topic in INPUTS
        for message in pipeline.read(topic)
    ]
    out.mkdir(parents=True, exist_ok=True)
    document = json.dumps({"prices": prices, "inputs": inputs}).encode()
    (out / "recorded.json.xz").write_bytes(lzma.compress(document))
    with tarfile.open(out / "recovery.tar.xz", "w:xz") as archive:
        archive.add(pipeline.recovery, "recovery")


def main(out: Path) -> None:
    """Start the servers and the flow, feed it, stop it, record it."""
    folder = Path(tempfile.mkdtemp(prefix="pricewax-record-"))
    folder.chmod(0o755)
    broker, postgres, redis_server = kafka.KafkaServer(folder), PostgresServer(folder), RedisServer()
    for server in (broker, postgres, redis_server):
        server.start()
    pipeline = Pipeline(broker.brokers, postgres, redis_server, folder, name=NAME)
    try:
        pipeline.start_flow()
        feed(pipeline)
        pipeline.stop_flow()
        record(pipeline, out)
    finally:
        pipeline.close()
        for server in (redis_server, postgres, broker):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
