"""A `sop worker` as a user starts it, looked at from outside: its metrics, its memory."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.topics import prepare_topics

SOP: Final = Path(sys.executable).with_name("sop")
PARTITIONS: Final = 4
START_S: Final = 60.0
POLL_S: Final = 0.1
SCRAPE_S: Final = 30.0


def make_topics(brokers: str, topics: Topics) -> None:
    """Make all topics of a worker as it would make them itself."""
    asyncio.run(prepare_topics(KafkaConnection(brokers), topics, PARTITIONS, 1))


class LiveWorker:
    """One worker over topics with a prefix; killed, not stopped, when the `with` block ends."""

    def __init__(self, brokers: str, prefix: str, redis_url: str, **settings: object) -> None:
        """Start it; further settings by the names of their environment variables."""
        ours = {
            "SOP_BROKERS": brokers,
            "SOP_TOPIC_PREFIX": prefix,
            "SOP_GROUP": f"{prefix}group",
            "SOP_REDIS_URL": redis_url,
            "SOP_METRICS_LISTEN": "0",
            **{name: str(value) for name, value in settings.items()},
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        self.inputs = frozenset(Topics(prefix).inputs)
        self._log = tempfile.NamedTemporaryFile(prefix="bench-worker-", suffix=".log")  # noqa: SIM115 - lives with it
        self.began = time.monotonic()
        self._process = subprocess.Popen([SOP, "worker"], env=others | ours, stdout=self._log, stderr=self._log)
        self._url = ""

    def __enter__(self) -> Self:
        """Wait until it tells where its metrics are."""
        while not self._url:
            self.refuse_ended()
            if time.monotonic() - self.began > START_S:
                raise TimeoutError(f"no worker after {START_S:g} s: {self.log()}")
            time.sleep(POLL_S)
            found = re.search(r"metrics at (\S+)", self.log())
            self._url = found[1] if found else ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def log(self) -> str:
        """Return what it has logged."""
        return Path(self._log.name).read_text(errors="replace")

    def refuse_ended(self) -> None:
        """Raise RuntimeError with what it said last if it has ended by itself."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {self.log()[-400:]}")

    def metrics(self) -> dict[tuple[str, str], float]:
        """Return sums by metric and topic (empty where a metric has none); nothing while its loop is busy."""
        self.refuse_ended()
        try:
            with urlopen(self._url, timeout=SCRAPE_S) as answer:  # noqa: S310 - ours, on this machine
                text = answer.read().decode()
        except URLError:
            return {}
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                place = (each.name, each.labels.get("topic", ""))
                found[place] = found.get(place, 0.0) + each.value
        return found

    def rss_mb(self, *, peak: bool = False) -> float:
        """Return its resident memory, or the most that it has been, in megabytes; Linux only."""
        name = "VmHWM" if peak else "VmRSS"
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024
