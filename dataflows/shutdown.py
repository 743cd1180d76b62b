"""Stopping: a signal ends the sources, so that the flow closes its epoch and every sink is flushed."""

import os
import signal
import threading
from types import FrameType

import telemetry

STOP_WITHIN_S = 8.0
TERMINATED = 143


def stop_on_signals() -> threading.Event:
    """An event that the first signal sets. Where the flow has not ended some seconds later (Kafka is down,
    another process of the cluster is still running), or at a second signal, the process ends hard, which is
    as safe as a crash: what is not committed is done again. Call it in the main thread."""
    stop = threading.Event()

    def end_hard() -> None:
        telemetry.get_logger("flow").warning("not stopped in time; ending hard, nothing is lost")
        os._exit(TERMINATED)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(TERMINATED)
        stop.set()
        timer = threading.Timer(STOP_WITHIN_S, end_hard)
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
