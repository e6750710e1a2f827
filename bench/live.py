"""A `sop worker` process, observed from outside by its metrics and memory."""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from agents.sops import catalogue
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics

SOP: Final = Path(sys.executable).with_name("sop")
PARTITIONS: Final = 4
START_S: Final = 60.0
POLL_S: Final = 0.1
SCRAPE_S: Final = 30.0
QUIET_S: Final = 1.5
"""So long nothing new has to come from a worker that is done."""


class Done(NamedTuple):
    """When a worker had consumed something and when counters last changed, in seconds since its start."""

    first_s: float
    last_s: float


def make_topics(brokers: str, topics: Topics) -> None:
    """Create all topics of a worker, as the worker would."""
    asyncio.run(prepare_topics(KafkaConnection(brokers), topics, TopicTargets(partitions=PARTITIONS)))


class LiveWorker:
    """A worker on topics with a prefix; it is killed, not stopped, at the end of the `with` block.

    `settings` are further settings, by the names of their environment variables.
    """

    def __init__(self, brokers: str, prefix: str, redis_url: str, **settings: object) -> None:
        ours = {
            "SOP_BROKERS": brokers,
            "SOP_TOPIC_PREFIX": prefix,
            "SOP_GROUP": f"{prefix}group",
            "SOP_REDIS_URL": redis_url,
            "SOP_METRICS_LISTEN": "0",
            **{name: str(value) for name, value in settings.items()},
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        self.inputs = frozenset(catalogue.topics(prefix).inputs)
        self._log = tempfile.NamedTemporaryFile(prefix="bench-worker-", suffix=".log")  # noqa: SIM115 - closed by __exit__
        self.began = time.monotonic()
        self._process = subprocess.Popen([SOP, "worker"], env=others | ours, stdout=self._log, stderr=self._log)
        self._url = ""

    def __enter__(self) -> Self:
        """Wait until its log has the address of its metrics."""
        while not self._url:
            self.raise_if_ended()
            if time.monotonic() - self.began > START_S:
                raise TimeoutError(f"no worker after {START_S:g} s: {self.log()}")
            time.sleep(POLL_S)
            found = re.search(r"metrics at (\S+)", self.log())
            self._url = found[1] if found else ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the worker."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def log(self) -> str:
        """Return its log."""
        return Path(self._log.name).read_text(errors="replace")

    def raise_if_ended(self) -> None:
        """Raise RuntimeError with the end of its log if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {self.log()[-400:]}")

    def metrics(self) -> dict[tuple[str, str], float]:
        """Return sums by metric and topic (empty if it has none); an empty dict while the worker is too busy."""
        self.raise_if_ended()
        try:
            with urlopen(self._url, timeout=SCRAPE_S) as response:  # noqa: S310 - our own server
                text = response.read().decode()
        except URLError:
            return {}
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                place = (each.name, each.labels.get("topic", ""))
                found[place] = found.get(place, 0.0) + each.value
        return found

    def wait_until_done(self, sent: int, within_s: float) -> Done:
        """Wait until all events are consumed, counters stand still and all is saved."""
        last: dict[tuple[str, str], float] = {}
        first_s = changed_s = 0.0
        while (now_s := time.monotonic() - self.began) < within_s:
            found = self.metrics()
            consumed = {place: count for place, count in found.items() if place[0] == "sop_records_consumed_total"}
            waiting = sum(count for (name, _), count in found.items() if name == "sop_records_in_flight")
            read = sum(count for (_, topic), count in consumed.items() if topic in self.inputs)
            published = {place: count for place, count in found.items() if place[0] == "sop_messages_published_total"}
            first_s = first_s or (now_s if read else 0.0)
            if read < sent or waiting or consumed | published != last:
                last, changed_s = consumed | published, now_s
            elif (quiet_s := now_s - changed_s) >= QUIET_S and _checkpoint_ages_s(found) < quiet_s:
                return Done(first_s, changed_s)
            time.sleep(POLL_S)
        raise TimeoutError(f"{last} after {within_s:g} s: {self.log()[-400:]}")

    def rss_mb(self, *, peak: bool = False) -> float:
        """Return its resident memory, or the peak of it, in megabytes; Linux only."""
        name = "VmHWM" if peak else "VmRSS"
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024


def _checkpoint_ages_s(found: dict[tuple[str, str], float]) -> float:
    """Return the sum of the checkpoint ages of all partitions."""
    return found.get(("sop_checkpoint_age_seconds", ""), math.inf)
