"""Starts what docker-compose.yml describes without containers: the same programs, settings and files on loopback ports.

Names of services become loopback ports, and paths in containers become copies in a folder of the test. What a container
engine does (networks, limits, users, file systems) is not tested here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from ruamel.yaml import YAML

from streams.embedded_kafka.free_ports import HOST
from tests.alertmanager import PROGRAMS
from tests.brokers import FormattedKafka
from tests.ports import reserved_port
from tests.postgres_server import PostgresServer, find_postgres
from tests.redis_server import find_redis_server
from tests.tools import TOP, find_tool

COMPOSE: Final[Mapping[str, Any]] = YAML(typ="safe").load(TOP / "docker-compose.yml")
SERVICES: Final[Mapping[str, Any]] = COMPOSE["services"]
FEWER_JOBS: Final = ("--jobs 500 --speed 200", "--jobs 60 --speed 2000")
"""What the demo sends here instead: about an hour's events."""
RESEND_S: Final = "3"
"""How often Alertmanager, which forgets what fires when it restarts, is told here; by default it is every minute."""
START_TIMEOUT_S: Final = 90.0
STOP_S: Final = 25.0
POLL_S: Final = 0.1
PORT: Final = re.compile(r"\b(?:(?P<host>[a-z][a-z0-9-]*)|0\.0\.0\.0):(?P<port>\d{4,5})\b")


class Stack:
    """The services of the file that were started, their addresses and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[tuple[str, str], int] = {}
        self._postgres: PostgresServer | None = None

    def port(self, service: str, port: int | str) -> int:
        """Return the port on this machine that stands for one of a service."""
        if (service, str(port)) not in self._ports:
            self._ports[service, str(port)] = reserved_port()
        return self._ports[service, str(port)]

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service, as it is on this machine, without settings of the caller."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        given = {name: self._here(service, str(value)) for name, value in SERVICES[service]["environment"].items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for name in SERVICES[service].get("secrets", ()):
            place = f"/run/secrets/{name}"
            given = {key: str(secret_file(name)) if value == place else value for key, value in given.items()}
        here = {
            "SOP_DATA_DIR": str(self._place(service, "/var/lib/sop")),
            "SOP_ALERTS_RESEND_S": RESEND_S,
            "PATH": path,
        }
        return others | here | given

    def start(self, service: str) -> None:
        """Start a service, and return when it is ready."""
        match SERVICES[service]["image"].partition(":")[0]:
            case "sop-streams":
                entrypoint = SERVICES[service].get("entrypoint", ["sop"])
                self._run(service, *entrypoint, *self._arguments(service), environment=self.environment(service))
            case "redis":
                program, *arguments = self._arguments(service)
                assert program == "redis-server"
                found = find_redis_server()
                assert found is not None
                self._run(service, found, *arguments, "--port", str(self.port(service, 6379)), "--bind", HOST)
            case "postgres":
                self._start_postgres(service)
                return
            case "prom/prometheus":
                program = find_tool("prometheus")
                self._run(service, program, *self._arguments(service), self._listen(service, 9090))
            case "prom/alertmanager":
                program = find_tool(*PROGRAMS)
                self._run(service, program, *self._arguments(service), self._listen(service, 9093))
            case image:
                raise AssertionError(f"{image} cannot be started here")
        self._wait(service)

    def _start_postgres(self, service: str) -> None:
        """Start a server that trusts this machine, with the database of the file; or the one that was stopped."""
        if self._postgres is not None:
            self._postgres.resume()
            return
        programs = find_postgres()
        assert programs is not None
        self._postgres = PostgresServer(programs)
        self._postgres.start()
        self._ports[service, "5432"] = self._postgres.port
        given = SERVICES[service]["environment"]
        assert given["POSTGRES_USER"] == "sop"
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {given['POSTGRES_DB']}")

    def database_url(self, database: str) -> str:
        """Return the address of a database of the stack."""
        return f"postgresql://sop@{HOST}:{self.port('postgres', 5432)}/{database}"

    def stop(self, service: str) -> int:
        """Stop a service; return its exit status. It may be started again, with the data that it had."""
        if self._postgres is not None and service == "postgres":
            self._postgres.pause()
            return 0
        process = self.processes.pop(service)
        process.terminate()
        return process.wait(STOP_S)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        if self._postgres is not None:
            self._postgres.stop()

    def _run(self, service: str, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
        work = self.folder / service
        work.mkdir(exist_ok=True)
        with (self.folder / f"{service}.log").open("wb") as log:
            self.processes[service] = subprocess.Popen(
                command, env=environment, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait(self, service: str) -> None:
        """Wait until the health check of a service succeeds."""
        check = self._here(service, " ".join(SERVICES[service].get("healthcheck", {}).get("test", [])), own=True)
        urls = re.findall(r"http://[^\s\"]+", check)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(answers(url) for url in urls):
            assert self.processes[service].poll() is None, self.log(service)
            assert time.monotonic() < deadline, self.log(service)
            time.sleep(POLL_S)
        assert self.processes[service].poll() in (None, 0), self.log(service)

    def _arguments(self, service: str) -> list[str]:
        command = SERVICES[service]["command"]
        given = shlex.split(command) if isinstance(command, str) else list(command)
        here = (self._here(service, str(each).replace("$$", "$").replace(*FEWER_JOBS)) for each in given)
        return [self._paths(service, each) for each in here]

    def _listen(self, service: str, port: int) -> str:
        return f"--web.listen-address={HOST}:{self.port(service, port)}"

    def _here(self, service: str, text: str, *, own: bool = False) -> str:
        """Return text with the addresses of services as they are on this machine."""

        def replaced(found: re.Match[str]) -> str:
            host = found["host"] or service
            return f"{HOST}:{self.port(host, found['port'])}" if host in SERVICES else found[0]

        text = PORT.sub(replaced, text)
        if own:  # a health check asks its own container
            text = re.sub(rf"{re.escape(HOST)}:(\d+)", lambda found: f"{HOST}:{self.port(service, found[1])}", text)
        return text

    def _paths(self, service: str, text: str) -> str:
        """Return an argument with the paths of volumes as they are here."""
        for volume in SERVICES[service].get("volumes", []):
            source, target, *_ = volume.split(":")
            if target in text:
                return text.replace(target, str(self._place(service, target, source)))
        return text

    def _place(self, service: str, target: str, source: str = "") -> Path:
        """Return the folder that stands for a path in a container: empty, or a copy with the addresses of here."""
        place = self.folder / service / target.strip("/").replace("/", "-")
        if place.exists():
            return place
        if not source.startswith("."):
            place.mkdir(parents=True)
            return place
        shutil.copytree(TOP / source, place)
        for file in place.iterdir():
            text = self._here(service, file.read_text())
            file.write_text(text.replace("interval: 10s", "interval: 1s").replace("group_wait: 30s", "group_wait: 1s"))
        return place


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Yield a stack in which Kafka runs with the settings of the file, but for its listeners and folders."""
    stack = Stack(folder)
    (folder / "kafka").mkdir()
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in SERVICES["kafka"]["environment"].items()
        if not re.search("LISTENER|LOG_DIRS|HEAP|VOTERS|NODE_ID|ROLES", name)
    }
    assert "num.partitions" in properties
    broker = FormattedKafka(folder / "kafka", properties)
    with broker:
        stack._ports["kafka", "19092"] = int(broker.address.rpartition(":")[2])
        try:
            yield stack
        finally:
            stack.close()


def secret_file(name: str) -> Path:
    """Return the file of a secret that is used unless a variable names another one."""
    found = re.fullmatch(r"\$\{\w+:-(.*)\}", COMPOSE["secrets"][name]["file"])
    assert found is not None
    return TOP / found[1]


def answers(url: str) -> bool:
    """Return whether an address answers with success."""
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - a service of the test
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def until(holds: Callable[[], bool], describe: Callable[[], object], within_s: float = START_TIMEOUT_S) -> None:
    """Wait until something holds; otherwise fail with what `describe` returns."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, describe()
        time.sleep(POLL_S)
