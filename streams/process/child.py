"""Runs a child process that never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from streams.process import child_guard


class ChildProcess:
    """A running command under `child_guard`, with its output in `log_file`.

    Ctrl-C does not reach it: the parent decides when it stops. The guard keeps the files `pass_fds` open until the
    command has ended. Raises OSError when the log or the folder cannot be used.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_file: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        with log_file.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", child_guard.__file__, *command],
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=env,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        self.pid = int(self._guard.stdout.readline())
        """Process id of the command."""

    @property
    def exit_status(self) -> int | None:
        """The command's exit status, 128 plus the number of the signal that ended it; None while it runs."""
        return self._guard.poll()

    def stop(self, within_s: float) -> None:
        """Terminate the command, and kill it after `within_s` seconds. Call this once."""
        try:
            self._guard.communicate(timeout=within_s)  # closes its input, which has it end the command
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._guard.communicate()
