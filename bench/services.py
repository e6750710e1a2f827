"""Starts the broker and the Redis of the benchmark, and stops them at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.config.settings import cache_dir
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST, free_port, is_listening

START_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses of the broker and of Redis, and the broker's folder; `redis_url` is empty if there is no Redis."""

    brokers: str
    broker_pid: int
    broker_data: Path
    redis_url: str


@contextmanager
def run_services() -> Iterator[Services]:
    """Run the broker and Redis."""
    with _kafka() as broker, _redis() as redis_url:
        assert broker.pid is not None, "a started broker has a process"
        yield Services(broker.address, broker.pid, broker.data_dir, redis_url)


@contextmanager
def _kafka() -> Iterator[EmbeddedKafka]:
    """Run one broker with its data on disk."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-kafka-") as data,
        EmbeddedKafka(Path(data), cache_dir=cache_dir()) as broker,
    ):
        yield broker


@contextmanager
def _redis() -> Iterator[str]:
    """Run one Redis with an append-only file; yield its URL, or an empty string if there is no Redis."""
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as data:
        port = free_port()
        options = ["--port", str(port), "--bind", HOST, "--dir", data, "--save", "", "--appendonly", "yes"]
        server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            _wait_for_port(port)
            yield f"redis://{HOST}:{port}/0"
        finally:
            server.terminate()
            server.wait()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_S
    while not is_listening(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.02)
