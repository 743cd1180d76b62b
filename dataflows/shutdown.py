"""Stopping: a signal ends the sources, so that the flow closes its epoch and every sink is flushed."""

import os
import signal
import threading

import telemetry

SIGNALS = (signal.SIGTERM, signal.SIGINT)
STOP_WITHIN_S = 8.0
TERMINATED = 143


def stop_on_signals() -> threading.Event:
    """An event that the first signal sets. Where the flow has not ended some seconds later (Kafka is down,
    another process of the cluster is still running), or at a second signal, the process ends hard, which is
    as safe as a crash: what is not committed is done again.

    Call it in the main thread, before any other thread is started: signals are kept from all of them and taken by
    one that does nothing else, as the main one may be busy outside of Python."""
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def wait() -> None:
        signal.sigwait(SIGNALS)
        stop.set()
        if signal.sigtimedwait(SIGNALS, STOP_WITHIN_S) is None:
            telemetry.get_logger("flow").warning("not stopped in time; ending hard, nothing is lost")
        os._exit(TERMINATED)

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop
