"""A local PostgreSQL server for tests, from the system's package, in a folder of its own on a loopback port."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg

from streams.embedded_kafka.free_ports import HOST
from tests.ports import reserved_port

START_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.05
UNPRIVILEGED: Final = "nobody"
"""Who runs the server if the tests run as root, which PostgreSQL refuses."""


def find_postgres() -> Path | None:
    """Return the folder with the server's programs, the newest version first; None if there is none."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return packaged[-1].parent if packaged else None


class PostgresServer:
    """A server that trusts everybody on this machine and need not survive a crash."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # a folder of pytest belongs to root alone
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = reserved_port()

    def start(self) -> None:
        """Make a data folder, start the server and return when it answers."""
        options = ("-U", "sop", "-A", "trust", "-E", "UTF8", "--no-sync")
        owner, group = self._owner()
        if owner is not None and group is not None:
            os.chown(self._folder, owner, group)
        initdb: list[str | Path] = [self._programs / "initdb", "-D", self._folder / "data", *options]
        subprocess.run(initdb, check=True, cwd=self._folder, capture_output=True, user=owner, group=group)
        self.resume()

    def resume(self) -> None:
        """Start the server over its data folder and return when it answers."""
        log_file, (owner, group) = self._folder / "log", self._owner()
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "autovacuum": "off",  # its processes would come and go while tests look for leftovers
        }
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *given],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=owner,
                group=group,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(POLL_S)

    def pause(self) -> None:
        """Stop the server, whoever is connected, and keep its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server, whoever is connected, and remove its folder."""
        self.pause()
        shutil.rmtree(self._folder)

    @staticmethod
    def _owner() -> tuple[int, int] | tuple[None, None]:
        """Return user and group to run the server as; None: those of this process."""
        if os.geteuid() != 0:
            return None, None
        user = pwd.getpwnam(UNPRIVILEGED)
        return user.pw_uid, user.pw_gid

    def new_database(self) -> str:
        """Return the address of a database of its own."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://sop@{HOST}:{self.port}/{database}"

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False
