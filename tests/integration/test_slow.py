"""Dependencies that are slow, full or half up: each delays its own output and no other, and nothing is lost."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack import kafka
from stack.postgres import PostgresServer
from stack.redis import RedisServer
from tests.support.compare import assert_matches_fold
from tests.support.pipeline import KEY, Pipeline, wait_for
from tests.support.proxy import Proxy

ADMIN = {"X-API-Key": KEY}
DELAY_S = 0.5
TRICKLE_BYTES_PER_S = 4_000
PRODUCTS = 20


def send(pipeline: Pipeline, count: int) -> None:
    for index in range(count):
        pipeline.event(f"P{index % PRODUCTS}", 10.0)
    pipeline.flush()


def wait_for_updates(pipeline: Pipeline, count: int, within_s: float) -> None:
    wait_for(lambda: len(pipeline.updates()) >= count, within_s, f"{count} updates")


@pytest.fixture
def slow_redis(pipeline: Pipeline, redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        pipeline.environment["REDIS_ADDR"] = proxy.address
        yield proxy


@pytest.fixture
def slow_sql(pipeline: Pipeline, postgres: PostgresServer) -> Iterator[Proxy]:
    address = postgres.url.rpartition("@")[2].partition("/")[0]
    with Proxy(int(address.rpartition(":")[2])) as proxy:
        pipeline.environment["HISTORY_URL"] = pipeline.history_url.replace(address, proxy.address)
        yield proxy


def start(pipeline: Pipeline) -> None:
    pipeline.start_flow()
    pipeline.start_api()
    wait_for(pipeline.api_ready)
    send(pipeline, 100)
    pipeline.wait_for_version("P19", 5)
    pipeline.wait_for_history(100)


def slow_down(proxy: Proxy, how: str) -> None:
    if how == "delay":
        proxy.delay_s = DELAY_S
    else:
        proxy.bytes_per_s = TRICKLE_BYTES_PER_S


@pytest.mark.parametrize("how", ["delay", "trickle"])
def test_a_slow_redis_slows_the_latest_price_alone(pipeline: Pipeline, slow_redis: Proxy, how: str) -> None:
    start(pipeline)
    slow_down(slow_redis, how)
    send(pipeline, 1_000)
    wait_for_updates(pipeline, 1_100, 20)
    pipeline.wait_for_history(1_100, within_s=20)
    # The API answers later or with an error, and does not hang. Routes without Redis still answer in time.
    asked = time.monotonic()
    assert pipeline.http.get("/price/P1").status_code in (200, 503)
    assert time.monotonic() - asked < 10
    assert pipeline.http.get("/health").elapsed.total_seconds() < 5
    # The rows arrive although the connection stays slow.
    pipeline.wait_for_version("P19", 55, within_s=60)
    slow_redis.be_fast()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


@pytest.mark.parametrize("how", ["delay", "trickle"])
def test_a_slow_database_slows_history_alone(pipeline: Pipeline, slow_sql: Proxy, how: str) -> None:
    start(pipeline)
    slow_down(slow_sql, how)
    send(pipeline, 1_000)
    wait_for_updates(pipeline, 1_100, 20)
    pipeline.wait_for_version("P19", 55, within_s=20)
    assert pipeline.http.get("/price/P1").status_code == 200
    if how == "delay":
        pipeline.wait_for_history(1_100, within_s=60)
    slow_sql.be_fast()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


@pytest.mark.parametrize("how", ["delay", "trickle"])
def test_a_slow_kafka_delays_everything_and_loses_nothing(
    postgres: PostgresServer, redis_server: RedisServer, folder: Path, tmp_path: Path, how: str
) -> None:
    if not kafka.is_available():
        pytest.skip("no Java and Maven for a real Kafka behind a proxy")
    # A Kafka for this test only, which tells its clients the address of the proxy.
    with Proxy(0) as proxy:
        broker = kafka.KafkaServer(folder / uuid.uuid4().hex, advertised_port=proxy.port)
        proxy.lead_to(broker.port)
        broker.start()
        pipeline = Pipeline(proxy.address, postgres, redis_server, tmp_path)
        try:
            start(pipeline)
            # A product without later events: an override of others could overtake their events and hold the price.
            pipeline.event("held", 10.0)
            pipeline.wait_for_version("held", 1)
            if how == "delay":
                proxy.delay_s = DELAY_S
            else:
                # The events are a megabyte, and fetches and produces share this rate.
                proxy.bytes_per_s = 20 * TRICKLE_BYTES_PER_S
            send(pipeline, 500)
            assert pipeline.http.get("/price/P1").status_code == 200
            override = {"product_id": "held", "override_price": 5}
            answer = pipeline.http.post("/override", json=override, headers=ADMIN)
            assert answer.status_code in (200, 503)
            pipeline.wait_for_history(601, within_s=60)
            proxy.be_fast()
            pipeline.wait_for_version("P19", 30)
            pipeline.stop_flow()
            pipeline.stop_api()
        finally:
            pipeline.close()
            broker.stop()


def test_a_full_redis_is_said_and_waited_for(pipeline: Pipeline, redis_server: RedisServer) -> None:
    start(pipeline)
    pipeline.redis.config_set("maxmemory-policy", "noeviction")
    pipeline.redis.config_set("maxmemory", 1)
    send(pipeline, 200)
    wait_for_updates(pipeline, 300, 20)
    pipeline.wait_for_history(300, within_s=20)
    wait_for(lambda: "Redis cannot be written" in pipeline.output(), 10)
    # A full Redis still answers reads; /prices shows how old the prices are.
    assert pipeline.http.get("/price/P1").status_code == 200
    pipeline.redis.config_set("maxmemory", 0)
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


def test_a_connection_cut_in_the_middle_of_a_copy_loses_and_doubles_nothing(
    pipeline: Pipeline, slow_sql: Proxy
) -> None:
    start(pipeline)
    slow_sql.cut_after = 20_000
    send(pipeline, 2_000)
    wait_for(lambda: slow_sql.cuts >= 8, 20)
    # The writer halves its batches until one fits before the cut, so rows arrive in spite of the cuts.
    pipeline.wait_for_history(200, within_s=30)

    def reaches_the_backlog() -> bool:
        # Rows that the writer took before the first cut do not go to the backlog. It may have all, so send more.
        send(pipeline, PRODUCTS)
        return bool(pipeline.read("history-backlog"))

    wait_for(reaches_the_backlog, 15, "rows in the backlog")
    found = pipeline.count_history()
    pipeline.wait_for_history(found + 100, within_s=40)
    slow_sql.be_fast()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


def execute(postgres: PostgresServer, *statements: str) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_table_that_is_locked_ends_in_a_time_out_and_is_tried_again(pipeline: Pipeline) -> None:
    start(pipeline)
    with psycopg.connect(pipeline.history_url) as locking:
        locking.execute("LOCK TABLE price_history IN ACCESS EXCLUSIVE MODE")
        send(pipeline, 200)
        pipeline.wait_for_version("P19", 15, within_s=20)
        wait_for_updates(pipeline, 300, 20)
        wait_for(lambda: "lock timeout" in pipeline.output(), 15)
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


def test_a_fail_over_to_a_read_only_server_is_waited_out(pipeline: Pipeline, postgres: PostgresServer) -> None:
    start(pipeline)
    name = pipeline.name
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    execute(postgres, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on', ended)
    send(pipeline, 200)
    pipeline.wait_for_version("P19", 15, within_s=20)
    wait_for_updates(pipeline, 300, 20)
    wait_for(lambda: "read-only" in pipeline.output(), 15)
    # Reads still work.
    wait_for(lambda: pipeline.http.get("/history/P1", headers=ADMIN).status_code == 200, 10)
    execute(postgres, f'ALTER DATABASE "{name}" RESET default_transaction_read_only', ended)
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_under_the_recovery_folder_stops_the_flow_until_there_is_room(
    pipeline: Pipeline, small_disk: Path
) -> None:
    pipeline.recovery = small_disk / "recovery"
    start(pipeline)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"x" * (shutil.disk_usage(small_disk).free - 1024 * 1024))
    send(pipeline, 200)
    wait_for(lambda: "disk is full; the flow waits" in pipeline.output(), 20)
    # After a crash, a start on the full disk also waits for room.
    pipeline.kill_flow()
    pipeline.start_flow()
    send(pipeline, 200)
    wait_for(lambda: pipeline.output().count("disk is full; the flow waits") > 1, 30)
    assert all(program.running for program in pipeline.flow), pipeline.output()
    ballast.unlink()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()


def test_redis_and_sql_down_together_delay_and_lose_nothing(
    pipeline: Pipeline, postgres: PostgresServer, redis_server: RedisServer
) -> None:
    start(pipeline)
    redis_server.stop()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{pipeline.name}" WITH ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (pipeline.name,)
        )
        send(pipeline, 300)
        wait_for_updates(pipeline, 400, 20)
        # The API still has every price, and its age.
        answer = pipeline.http.get("/price/P1").json()
        assert answer["stale"] is True
        pipeline.kill_flow()
        pipeline.start_flow()
        send(pipeline, 100)
        wait_for_updates(pipeline, 500, 20)
        connection.execute(f'ALTER DATABASE "{pipeline.name}" WITH ALLOW_CONNECTIONS true')
    redis_server.start()
    assert_matches_fold(pipeline)
    pipeline.stop_flow()
