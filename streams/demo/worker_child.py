"""A `sop worker` as a child process that never outlives its parent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from streams.config.settings import Settings, environment_with
from streams.process.child import ChildProcess

STOP_S: Final = 2.5


class WorkerChild:
    """A worker with the given settings; it logs to `log_file`."""

    def __init__(self, settings: Settings, log_file: Path) -> None:
        self._settings = settings
        self._log_file = log_file
        self._worker: ChildProcess | None = None

    def start(self) -> None:
        """Start the process and return at once."""
        command = [sys.executable, "-m", "streams.cli.main", "worker"]
        self._worker = ChildProcess(command, self._log_file, env=environment_with(self._settings))

    @property
    def exit_status(self) -> int | None:
        """The exit status of the worker, None while it runs."""
        return None if self._worker is None else self._worker.exit_status

    @property
    def last_log_line(self) -> str:
        """The last line that the worker wrote."""
        lines = self._log_file.read_text("utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def stop(self) -> None:
        """Stop the worker, by force if it does not end in time. Does nothing if it has been stopped."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(STOP_S)
