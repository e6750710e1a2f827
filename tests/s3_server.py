"""A local S3, for archives in an object store."""

from __future__ import annotations

import itertools
import subprocess
import sys

from streams.embedded_kafka.free_ports import HOST, free_port, is_listening
from tests.e2e.harness import until


class S3Server:
    """Moto's server as a process of its own, whose buckets are in memory."""

    def __init__(self) -> None:
        self._port = free_port()
        self._numbers = itertools.count(1)
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: is_listening(self._port))

    def new_address(self) -> str:
        """Return the address of an archive in a new bucket."""
        endpoint = f"http%3A%2F%2F{HOST}%3A{self._port}"
        return f"s3://tests:tests@bucket-{next(self._numbers)}/archive?endpoint_override={endpoint}&region=us-east-1&allow_bucket_creation=true"

    def stop(self) -> None:
        """End the server; nothing is kept."""
        self._process.terminate()
        self._process.wait(10)
