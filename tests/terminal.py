"""A command on a real terminal of a given size."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = 40


def on_terminal(command: Sequence[str], columns: int, env: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    """Run a command to its end; return its status and all lines that it showed, progress included, without colours."""
    status, shown = written_to_terminal(command, columns, env)
    text = CONTROL.sub("", shown).replace("\r", "\n")
    return status, [line.rstrip() for line in text.split("\n") if line.strip()]


def written_to_terminal(command: Sequence[str], columns: int, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command to its end; return its status and what it wrote, control sequences included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    variables = dict(os.environ if env is None else env) | {"TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # what Linux says at the end of a terminal
        pass
    finally:
        os.close(ours)
        status = process.wait()
    return status, shown.decode("utf-8", errors="replace")
