"""A `sop worker` as a child process that never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from streams.embedded import child_guard
from streams.settings import Settings, environment_with

STOP_S: Final = 2.5


class WorkerChild:
    """One worker with the given settings; it logs to `log_file`."""

    def __init__(self, settings: Settings, log_file: Path) -> None:
        self._settings = settings
        self._log_file = log_file
        self._guard: subprocess.Popen[str] | None = None
        self._pid = 0

    def start(self) -> None:
        """Start the process and return at once."""
        worker = [sys.executable, "-m", "streams.cli", "worker"]
        with self._log_file.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", child_guard.__file__, *worker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment_with(self._settings),
                start_new_session=True,  # Ctrl-C is for the parent, which stops its worker
            )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())

    @property
    def ended_with(self) -> int | None:
        """The exit status of a worker that has ended, None while it runs."""
        return None if self._guard is None else self._guard.poll()

    @property
    def last_words(self) -> str:
        """The last line that the worker wrote."""
        lines = self._log_file.read_text("utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")

    def stop(self) -> None:
        """Stop the worker, by force if it does not end in time; no process is left. Harmless when stopped."""
        guard, self._guard = self._guard, None
        if guard is None:
            return
        assert guard.stdin is not None
        assert guard.stdout is not None
        guard.stdin.close()
        try:
            guard.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.kill(self._pid, signal.SIGKILL)
            guard.wait()
        guard.stdout.close()
