"""Runs one command, and ends it when the process that started this program is gone.

Run as a script with the command as arguments; the first line of output is the command's process id. When standard input
closes, because the parent closed it or died in any way, the command gets SIGTERM and, GRACE_S later, SIGKILL. Exits
with the command's exit status, 128 plus the number for a signal, as shells do. Uses only the standard library, because
it runs in an isolated interpreter.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

GRACE_S = 4.0
PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>


def _die_with_guard() -> None:
    """Have the kernel kill the command when this guard is killed; runs in the child before it executes the command."""
    import ctypes  # noqa: PLC0415 - absent where it is not used

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_when_input_closes(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: holding a buffer's lock would abort the interpreter at exit
        pass
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def main(command: list[str]) -> int:
    """Run `command` under guard; return its exit status, 128 plus the number when a signal ended it."""
    in_child: Callable[[], None] | None = _die_with_guard if sys.platform == "linux" else None
    # preexec_fn is safe here: no other thread has been started yet.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=in_child)  # noqa: PLW1509
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_when_input_closes, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
