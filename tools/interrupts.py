"""Tools that end when they are told to: also while a call waits for a server that does not answer."""

import os
import sys
import threading
from collections.abc import Callable

LOOK_EVERY_S = 0.1
INTERRUPTED = 130


def run_interruptibly(name: str, work: Callable[[], int], stop: threading.Event, *, grace_s: float) -> int:
    """Call `work` in a thread of its own and return its exit code, or raise its error. Belongs to the main thread.

    A signal cannot end a call of the Kafka client, so the main thread makes none. If `stop` is set (by a signal:
    `start_tool`) and `work` has not ended `grace_s` seconds later, the process ends. name: of the tool, for that
    line."""
    result: list[int] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=call, name=name, daemon=True)
    thread.start()
    while thread.is_alive() and not stop.is_set():
        thread.join(LOOK_EVERY_S)
    thread.join(grace_s)
    if thread.is_alive():
        print(f"{name}: interrupted", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    if failure:
        raise failure[0]
    return result[0]
