"""Servers of tests leave no socket open, also if a connection arrives just then."""

import contextlib
import gc
import socket
import threading

from tests.support.proxy import Proxy

ROUNDS = 10


def test_a_connection_that_arrives_as_a_server_closes_leaves_nothing_open() -> None:
    # Warnings are errors here: a socket that nobody closed fails this test when it is collected.
    with socket.create_server(("127.0.0.1", 0)) as target:
        for _ in range(ROUNDS):
            proxy = Proxy(target.getsockname()[1])
            stop = threading.Event()

            def connect(address: tuple[str, int] = ("127.0.0.1", proxy.port), stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    with contextlib.suppress(OSError), socket.create_connection(address, 1):
                        pass

            with proxy:
                clients = [threading.Thread(target=connect) for _ in range(3)]
                for client in clients:
                    client.start()
            stop.set()
            for client in clients:
                client.join()
    gc.collect()
