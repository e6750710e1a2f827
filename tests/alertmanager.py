"""A real Alertmanager for tests, Debian's `prometheus-alertmanager`."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from streams.embedded_kafka.free_ports import HOST
from tests.ports import reserved_port
from tests.tools import find_tool

PROGRAMS = ("prometheus-alertmanager", "alertmanager")
START_TIMEOUT_S = 30.0
POLL_S = 0.05
CONFIGURATION = """
global: {{resolve_timeout: 1s}}
route: {{receiver: recorder, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: recorder, webhook_configs: [{{url: '{recorder}', send_resolved: true}}]}}]
"""


class Alertmanager:
    """A server with `resolve_timeout` 1 s, which notifies `recorder` of each alert; a restart keeps its port."""

    def __init__(self, folder: Path, recorder: str) -> None:
        self._program = find_tool(*PROGRAMS)
        self._folder = folder
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(CONFIGURATION.format(recorder=recorder))
        self._port = reserved_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Start the server and return when it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder}/alertmanager.yml",
                    f"--storage.path={self._folder}/data",
                    f"--web.listen-address={HOST}:{self._port}",
                    "--cluster.listen-address=",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Kill the server; Alertmanager keeps no alerts, so that after the next start it has none."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(START_TIMEOUT_S)

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that fire, by the value of their label `case_id`."""
        _, body = self._get("/api/v2/alerts?active=true")
        return {each["labels"].get("case_id", ""): each for each in json.loads(body)}

    def _answers(self) -> bool:
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _get(self, path: str) -> tuple[int, bytes]:
        with closing(HTTPConnection(HOST, self._port, timeout=5)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
