"""Runs a command on a pseudo-terminal of a given width."""

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
    """Run a command; return its status and all lines that it printed, including progress, without colours."""
    status, output = written_to_terminal(command, columns, env)
    text = CONTROL.sub("", output).replace("\r", "\n")
    return status, [line.rstrip() for line in text.split("\n") if line.strip()]


def written_to_terminal(command: Sequence[str], columns: int, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command; return its status and output, including control sequences."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    variables = dict(os.environ if env is None else env) | {"TERM": "xterm"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=variables)
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(controller, 65_536):
            output += chunk
    except OSError:  # Linux reports the end of a terminal this way
        pass
    finally:
        os.close(controller)
        status = process.wait()
    return status, output.decode("utf-8", errors="replace")
