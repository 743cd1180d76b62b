"""Stopping: a signal ends the sources, so that the flow closes its epoch and flushes every sink."""

import os
import signal
import threading

import telemetry

SIGNALS = (signal.SIGTERM, signal.SIGINT)
STOP_WITHIN_S = 8.0
TERMINATED = 143


def stop_on_signals() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets.

    At a second signal the process ends hard. It also does so if the flow has not ended within `STOP_WITHIN_S`,
    because Kafka is down or another process of the cluster still runs. This is as safe as a crash: work that is not
    committed is done again.

    Call it in the main thread, before any other thread is started. All threads block the signals, and one thread
    waits for them, because the main thread may be busy outside of Python."""
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
