"""The two jobs: their topics and events, and the number of messages after a run."""

from __future__ import annotations

import re
import time
from typing import Final, Protocol

from agents.sops import catalogue
from bench import kafka, light
from bench.contestants import Contestant
from bench.run_spec import RunSpec
from streams.demo.feed import route
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate

DAYS_AGO: Final = 3
DAY_US: Final = 86_400_000_000


class Job(Protocol):
    """A job that every runtime runs."""

    name: str

    def begin(self, contestant: Contestant, tag: str) -> RunSpec:
        """Create the topics of one run; return its specification."""

    def end(self, spec: RunSpec) -> int:
        """Return how many messages a `read_committed` consumer finds, and delete the topics of the run."""


class LightJob:
    """One topic, filled once, that all runs read; each run writes decisions to its own topic."""

    name = "light"

    def __init__(self, brokers: str, count: int, redis_url: str) -> None:
        self._brokers, self._count, self._redis_url = brokers, count, redis_url
        self._filled: dict[int, str] = {}

    def begin(self, contestant: Contestant, tag: str) -> RunSpec:
        """Create the topic of decisions, and a topic of events for each share of them."""
        count = int(self._count * contestant.share) // light.BLOCK * light.BLOCK
        if count not in self._filled:
            self._filled[count] = f"light-{count}"
            kafka.create_topic(self._brokers, self._filled[count])
            kafka.fill(self._brokers, ((self._filled[count], key, value) for key, value in light.events(count)))
        spec = RunSpec(
            brokers=self._brokers,
            events=self._filled[count],
            decisions=f"decisions-{tag}",
            group=f"bench-{tag}",
            count=count,
            redis_url=self._redis_url if contestant.redis else "",
        )
        kafka.create_outputs(self._brokers, spec.decisions)
        return spec

    def end(self, spec: RunSpec) -> int:
        """Return how many decisions were committed."""
        found = kafka.count(self._brokers, spec.decisions)
        kafka.delete_topics(self._brokers, f".*{re.escape(spec.group.removeprefix('bench-'))}.*")
        return found


class FullJob:
    """The events of a simulated day on all input topics, under a prefix of each run's own."""

    name = "full"

    def __init__(self, brokers: str, jobs: int, redis_url: str) -> None:
        # long enough ago that all deadlines of an ordinary case have passed
        self._brokers, self._redis_url = brokers, redis_url
        start_at = time.time_ns() // 1000 - DAYS_AGO * DAY_US
        self._lines = list(simulate(SimulatorOptions(jobs=jobs, start_at=start_at)))

    def begin(self, contestant: Contestant, tag: str) -> RunSpec:
        """Create all topics and fill the input topics."""
        prefix = f"bench-{tag}."
        topics = catalogue.topics(prefix)
        for name in (*topics.inputs, *topics.outputs):
            kafka.create_topic(self._brokers, name)
        lines = self._lines[: int(len(self._lines) * contestant.share)]
        routed = ((line, *route(topics, line)) for line in lines)
        kafka.fill(self._brokers, ((topic, key or b"", line) for line, topic, key in routed))
        return RunSpec(
            brokers=self._brokers,
            events=prefix,
            decisions="",
            group=f"bench-{tag}",
            count=len(lines),
            redis_url=self._redis_url if contestant.redis else "",
        )

    def end(self, spec: RunSpec) -> int:
        """Return how many decisions, actions and alerts were committed."""
        outputs = [name for name in catalogue.topics(spec.events).outputs if not name.endswith("dead-letters")]
        found = sum(kafka.count(self._brokers, name) for name in outputs)
        kafka.delete_topics(self._brokers, f"{re.escape(spec.events)}.*")
        return found
