"""The two jobs: where their events are, what is right afterwards, what is cleared away."""

from __future__ import annotations

import re
import time
from typing import Final, Protocol

from bench import kafka, light
from bench.assignment import Assignment
from bench.contestants import Contestant
from schemas.topics import Topics
from streams.demo.feed import Router
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate

DAYS_AGO: Final = 3
DAY_US: Final = 86_400_000_000


class Job(Protocol):
    """What all runs of a job share."""

    name: str

    def begin(self, contestant: Contestant, tag: str) -> Assignment:
        """Make the topics of one run; return what the contestant is told."""

    def end(self, task: Assignment) -> int:
        """Return how many messages a `read_committed` consumer finds; delete the topics of the run."""


class LightJob:
    """One topic, filled once, that everybody reads; decisions to a topic of each run's own."""

    name = "light"

    def __init__(self, brokers: str, count: int, redis_url: str) -> None:
        """Fill the topic."""
        self._brokers, self._count, self._redis_url = brokers, count, redis_url
        self._filled: dict[int, str] = {}

    def begin(self, contestant: Contestant, tag: str) -> Assignment:
        """Make the decisions' topic; contestants that take a share of the events have a topic of that many."""
        count = int(self._count * contestant.share) // light.BLOCK * light.BLOCK
        if count not in self._filled:
            self._filled[count] = f"light-{count}"
            kafka.create_topic(self._brokers, self._filled[count])
            kafka.fill(self._brokers, ((self._filled[count], key, value) for key, value in light.events(count)))
        task = Assignment(
            brokers=self._brokers,
            events=self._filled[count],
            decisions=f"decisions-{tag}",
            group=f"bench-{tag}",
            count=count,
            redis_url=self._redis_url if contestant.redis else "",
        )
        kafka.create_outputs(self._brokers, task.decisions)
        return task

    def end(self, task: Assignment) -> int:
        """Return how many decisions there are."""
        found = kafka.count(self._brokers, task.decisions)
        kafka.delete_topics(self._brokers, f".*{re.escape(task.group.removeprefix('bench-'))}.*")
        return found


class FullJob:
    """The events of a simulated city day under a prefix of each run's own, on all input topics."""

    name = "full"

    def __init__(self, brokers: str, jobs: int, redis_url: str) -> None:
        """Simulate the day, long enough ago that all deadlines of an ordinary case have passed."""
        self._brokers, self._redis_url = brokers, redis_url
        start_at = time.time_ns() // 1000 - DAYS_AGO * DAY_US
        self._lines = list(simulate(SimulatorOptions(jobs=jobs, start_at=start_at)))

    def begin(self, contestant: Contestant, tag: str) -> Assignment:
        """Make and fill the input topics, make the output topics."""
        prefix = f"bench-{tag}."
        topics = Topics(prefix)
        for name in (*topics.inputs, *topics.outputs):
            kafka.create_topic(self._brokers, name)
        router = Router(topics)
        lines = self._lines[: int(len(self._lines) * contestant.share)]
        routed = ((line, *router.route(line)) for line in lines)
        kafka.fill(self._brokers, ((topic, key or b"", line) for line, topic, key in routed))
        return Assignment(
            brokers=self._brokers,
            events=prefix,
            decisions="",
            group=f"bench-{tag}",
            count=len(lines),
            redis_url=self._redis_url if contestant.redis else "",
        )

    def end(self, task: Assignment) -> int:
        """Return how many decisions, actions and alerts there are."""
        outputs = [name for name in Topics(task.events).outputs if not name.endswith("dead-letters")]
        found = sum(kafka.count(self._brokers, name) for name in outputs)
        kafka.delete_topics(self._brokers, f"{re.escape(task.events)}.*")
        return found
