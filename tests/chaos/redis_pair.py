"""Two Redis servers behind one address, of which one is in use: for fail-overs, and for a Redis with older data."""

import redis

from stack.process import Program
from stack.redis import RedisServer
from tests.support.pipeline import wait_for
from tests.support.proxy import Proxy


class RedisPair:
    """A master and its standby. `port` and `address` are those of a proxy that leads new connections to the master.

    It has the interface of a `RedisServer`, so a pipeline can use it as its Redis. `program` is the master's."""

    def __init__(self) -> None:
        self._master, self._standby = RedisServer(), RedisServer()
        self._proxy = Proxy(self._master.port)
        self.port, self.address = self._proxy.port, self._proxy.address

    @property
    def program(self) -> Program:
        """The process of the master."""
        assert self._master.program is not None
        return self._master.program

    def start(self) -> None:
        """Start both servers and the proxy."""
        for server in (self._master, self._standby):
            server.start()
        self._proxy.__enter__()

    def stop(self) -> None:
        """Stop the proxy and both servers."""
        self._proxy.__exit__()
        for server in (self._master, self._standby):
            server.stop()

    def restart_empty(self) -> None:
        """Kill the master, and start it without data."""
        self.program.kill()
        self._master.forget()
        self._master.start()

    def save(self) -> None:
        """Write the master's data to its disk."""
        with redis.Redis(port=self._master.port) as client:
            wait_for(lambda: _saves(client), what="the master's data on its disk")

    def restart_saved(self) -> None:
        """Kill the master, and start it with the data of the last `save`."""
        self.program.kill()
        self._master.start()

    def copy_to_standby(self) -> None:
        """Give the standby the master's data of this moment. Later changes do not reach it."""
        with redis.Redis(port=self._standby.port) as standby:
            standby.replicaof("127.0.0.1", str(self._master.port))
            wait_for(lambda: _is_in_step(standby), what="the standby's copy")
            standby.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """Lead new connections to the standby, and make the master its replica. Connections to it stay open."""
        self._master, self._standby = self._standby, self._master
        self._proxy.lead_to(self._master.port)
        with redis.Redis(port=self._standby.port) as demoted:
            demoted.replicaof("127.0.0.1", str(self._master.port))


def _saves(client: redis.Redis) -> bool:
    """Save, unless the server is writing a copy for its replica."""
    try:
        return bool(client.save())
    except redis.ResponseError as error:
        if "already in progress" not in str(error):
            raise
        return False


def _is_in_step(standby: redis.Redis) -> bool:
    state = standby.info("replication")
    return state["master_link_status"] == "up" and not state["master_sync_in_progress"]
