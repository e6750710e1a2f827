"""A child process that never outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from streams.process import child_guard


class ChildProcess:
    """A command that runs under `child_guard` from now on; it writes to `log_file`.

    Ctrl-C does not reach it: the parent decides when it stops. `pass_fds` are files that the guard holds open until the
    command has ended.
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
        """Start it. Raises OSError when the log or the folder cannot be used."""
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
        """The command's exit status, 128 and its number for a signal; None while it runs."""
        return self._guard.poll()

    def stop(self, within_s: float) -> None:
        """Stop it, by force if it does not end within so many seconds; no process is left. To be called once."""
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        self._guard.stdin.close()
        try:
            self._guard.wait(within_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._guard.wait()
        self._guard.stdout.close()
