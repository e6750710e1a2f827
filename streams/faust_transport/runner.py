"""Runs a batch app as the worker of this process: event loop, signals, time limit for stopping, exit status."""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import faust

from streams.faust_transport.app import BatchApp

EXIT_STUCK = 71
GC_THRESHOLDS = (50_000, 20, 50)
"""With Python's default of 700 the collector would scan the live records of a batch over and over."""

logger = logging.getLogger(__name__)


class BatchWorker(faust.Worker):
    """Faust's worker with `stop_s` seconds to stop; logging and the terminal are the caller's."""

    def __init__(self, app: BatchApp, *, stop_s: float) -> None:
        super().__init__(app, quiet=True, redirect_stdouts=False, override_logging=False, loop=app.loop)
        self.spinner = None
        self._app = app
        self._stop_s = stop_s
        self._is_stopped_by_signal = False

    async def start(self) -> None:
        """Run until stopped; an error that keeps the app from starting, such as no broker, goes to its `on_fatal`."""
        try:
            await super().start()
        except Exception as error:  # noqa: BLE001 - logged in one line there
            self._app.on_fatal(error)

    def execute_from_commandline(self) -> NoReturn:
        """Run until stopped, then exit; once a requested stop has released all partitions, an error is no failure."""
        try:
            super().execute_from_commandline()
        except (SystemExit, asyncio.CancelledError) as end:
            cause = end.__context__ if isinstance(end, SystemExit) else end
            if cause is None or not (self._is_stopped_by_signal and self._app.at_rest):
                raise
            logger.warning("stopped cleanly; then, as Faust shut down: %r", cause)
            sys.exit(0)

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        self._is_stopped_by_signal = self._is_stopped_by_signal or not self.crashed
        # A thread, because whatever keeps a worker from stopping may block the event loop.
        limit = threading.Timer(self._stop_s, self._give_up)
        limit.daemon = True
        limit.start()
        super()._schedule_shutdown(signal)

    async def _sentinel_task(self) -> None:
        """Do nothing; Faust sleeps for a second before it closes the loop."""

    def _give_up(self) -> None:
        logger.critical("could not stop within %g s; exiting", self._stop_s)
        os._exit(EXIT_STUCK)


def use_uvloop() -> None:
    """Use uvloop for new event loops, where available; call it before the app is made."""
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - absent on Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def run_worker(make_app: Callable[[], BatchApp], *, stop_s: float = 30.0) -> NoReturn:
    """Run the app that `make_app` returns until SIGTERM or SIGINT; never returns.

    Exits with 0 after a stop by signal, 1 when a part of Faust crashed without one, 70 after an error that went to the
    app's `on_fatal`, 71 when stopping took longer than `stop_s` seconds. Logging is the caller's; leave the root logger
    above DEBUG, since Faust and aiokafka log every message there.
    """
    faulthandler.enable()  # so that a crash in native code leaves a traceback
    use_uvloop()
    worker = BatchWorker(make_app(), stop_s=stop_s)
    gc.freeze()  # modules and classes stay in memory anyway
    gc.set_threshold(*GC_THRESHOLDS)
    worker.execute_from_commandline()
