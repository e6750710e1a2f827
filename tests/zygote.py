"""Starts `sop` in a fork of a process that has imported it already.

A worker spends a second of CPU time on imports, and the tests start many hundreds. A fork is a process like any other,
with its own environment, standard files and exit status; it only starts later in its life. What the interpreter or the
loader read when they start (`PYTHON…`, `LD_…`) cannot be given to it: such an environment has a start of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Final

SOP: Final = Path(sys.executable).with_name("sop")
IMPORTED: Final = (
    "worker",
    "status",
    "replay",
    "simulate",
    "case",
    "tail",
    "topics",
    "dead_letters",
    "rebuild",
    "console",
)
"""The commands that tests start most often, without those that import Arrow, which starts threads."""
MESSAGE_BYTES_MAX: Final = 128 * 1024
READ_AT_START: Final = ("PYTHON", "LD_")
"""What the names of variables that cannot be changed later begin with."""


class Fork:
    """A running fork; it has what the tests use of `subprocess.Popen`."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self.pid: Final = int(answers.recv(MESSAGE_BYTES_MAX))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self.returncode is None:
            self._answers.settimeout(0)
            self._receive()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended; raises `subprocess.TimeoutExpired`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise subprocess.TimeoutExpired(str(SOP), timeout or 0)
            self._answers.settimeout(remaining)
            self._receive()
        return self.returncode

    def send_signal(self, by: int) -> None:
        """Signal it unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, by)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _receive(self) -> None:
        try:
            answer = self._answers.recv(MESSAGE_BYTES_MAX)
        except (BlockingIOError, TimeoutError):
            return
        assert answer, "the process that forks has ended"
        self.returncode = int(answer)
        self._answers.close()


Process = Fork | subprocess.Popen[bytes]


def start(
    arguments: Sequence[str | Path], *, env: Mapping[str, str] | None, stdout: IO[bytes], stderr: IO[bytes]
) -> Process:
    """Start `sop` without an input."""
    variables = dict(os.environ if env is None else env)
    if not hasattr(os, "pidfd_open") or any(
        variables.get(name) != os.environ.get(name)
        for name in {*variables, *os.environ}
        if name.startswith(READ_AT_START)
    ):
        command = [SOP, *arguments]
        return subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, Path(os.devnull).open("rb") as nothing:
        request = json.dumps([[str(each) for each in arguments], variables, str(Path.cwd())]).encode()
        files = [nothing.fileno(), stdout.fileno(), stderr.fileno(), theirs.fileno()]
        socket.send_fds(_zygote()[1], [request], files)
    return Fork(answers)


def run(
    arguments: Sequence[str | Path], env: Mapping[str, str] | None, within_s: float
) -> subprocess.CompletedProcess[str]:
    """Run `sop` and return its result; raises `subprocess.TimeoutExpired`."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = start(arguments, env=env, stdout=stdout, stderr=stderr)
        try:
            status = process.wait(within_s)
        finally:
            process.kill()
            process.wait()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([SOP, *arguments], status, *texts)


def is_zygote(pid: int) -> bool:
    """Return whether it is the process that forks."""
    return _zygote.cache_info().currsize > 0 and _zygote()[0].pid == pid


@cache
def _zygote() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Return the process that forks, which ends with this one, and the socket on which it is asked to."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.zygote", str(theirs.fileno())]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1], pass_fds=[theirs.fileno()])
    return process, ours


def _serve(control: socket.socket) -> list[str]:
    """Fork when asked to, and answer with process id and exit status; return, in each fork, its arguments."""
    running = selectors.DefaultSelector()
    running.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in running.select():
            if key.fileobj is not control:
                forked, answers = key.data
                running.unregister(key.fileobj)
                os.close(key.fd)
                with answers:
                    _answer(answers, os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]))
                continue
            request, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 4)
            if not request:  # the tests have ended
                sys.exit()
            answers = socket.socket(fileno=files.pop())
            if not (forked := os.fork()):
                for each in [*running.get_map().values()]:
                    if each.fileobj is not control:
                        os.close(each.fd)
                        each.data[1].close()
                running.close()
                control.close()
                answers.close()
                return _become(request, files)
            for file in files:
                os.close(file)
            _answer(answers, forked)
            running.register(os.pidfd_open(forked), selectors.EVENT_READ, (forked, answers))


def _answer(answers: socket.socket, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for it
        answers.send(str(number).encode())


def _become(request: bytes, files: Sequence[int]) -> list[str]:
    """Take standard files, environment and folder over; return the arguments."""
    arguments, environment, folder = json.loads(request)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    return list(arguments)


if __name__ == "__main__":
    import gc

    from sop.main import main

    for each in IMPORTED:
        importlib.import_module(f"sop.commands.{each}")
    gc.freeze()
    sys.argv = [str(SOP), *_serve(socket.socket(fileno=int(sys.argv[1])))]
    main()
