"""A bench whose workers are started again whenever they end, as whoever runs them would do it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from tests.e2e.harness import INPUTS, INTERNAL, POLL_S, Bench, Worker, _Reader, until

PROGRESS = "internal.progress"
PROGRESS_KEY = b"progress"
AGAIN_AFTER_S = 0.3
KNOWS_AGAIN_WITHIN_S = 30.0
ACCOUNTED_WITHIN_S = 30.0


@dataclass
class Member:
    """A place in the crew: the settings of whoever works there, and who does so now."""

    settings: Mapping[str, object]
    worker: Worker
    ended_at_s: float | None = None

    @property
    def partitions(self) -> set[int]:
        """Return what the worker last said that it works on."""
        said = self.worker.partitions
        return {int(number) for number in said.split(", ")} if said not in ("", "none") else set()

    @property
    def alive(self) -> bool:
        return self.worker.process.poll() is None


@dataclass
class CrewBench(Bench):
    """A bench with a crew; a worker that ends is followed by another with the same settings."""

    crew: list[Member] = field(default_factory=list)
    ends: Counter[int] = field(default_factory=Counter)
    """With which status workers ended, of those that nobody made end."""

    def join(self, **settings: object) -> Member:
        """Add a member to the crew."""
        self.crew.append(Member(settings, self.start(**settings)))
        return self.crew[-1]

    def leave(self, member: Member) -> int:
        """Have a member stop, and nobody follow; return its exit status."""
        self.crew.remove(member)
        return member.worker.stop()

    def replace(self, member: Member) -> None:
        """Start another worker in the place of one that was made to end."""
        member.worker = self.start(**member.settings)

    def kill(self, member: Member) -> bool:
        """Kill a member's worker, another one follows; False where it had ended by itself."""
        if not member.alive:
            return False
        member.worker.kill()
        self.replace(member)
        return True

    def look_after_workers(self) -> None:
        """Start a worker in the place of each that ended, a moment later."""
        for member in self.crew:
            if member.alive:
                continue
            if member.ended_at_s is None:
                member.ended_at_s = time.monotonic()
                self.ends[member.worker.process.returncode] += 1
            elif time.monotonic() - member.ended_at_s >= AGAIN_AFTER_S:
                member.ended_at_s = None
                self.replace(member)

    def await_that(self, holds: Callable[[], bool], within_s: float = 90.0) -> None:
        """Wait for a condition while looking after the workers."""

        def holds_now() -> bool:
            self.look_after_workers()
            return holds()

        until(holds_now, self.told, within_s)

    def rest(self, seconds: float) -> None:
        """Let time pass while looking after the workers."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.look_after_workers()
            time.sleep(min(left, POLL_S))

    def written(self, *topics: str) -> int:
        """Return how many offsets topics take up; asks again while a broker that has just come back does not know."""
        end = time.monotonic() + KNOWS_AGAIN_WITHIN_S
        while True:
            try:
                return super().written(*topics)
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_S)

    def _ends_when_idle(self) -> dict[tuple[str, int], int] | None:
        try:
            return super()._ends_when_idle()
        except KafkaException:
            return None

    def work_on(self, records: int, within_s: float = 3.0) -> None:
        """Wait until so many more records say how far the workers are, or for a while when there are not so many."""
        wanted = self.written(PROGRESS) + records
        end = time.monotonic() + within_s
        self.await_that(lambda: self.written(PROGRESS) >= wanted or time.monotonic() > end)

    def ready(self) -> None:
        """Wait until every partition has somebody who works on it."""
        self.await_that(lambda: self.owned() == set(range(self.partitions)))

    def takes_part(self, member: Member) -> None:
        """Wait until a member has something to work on."""
        self.await_that(lambda: member.partitions != set())

    def has_all(self, *members: Member) -> bool:
        """Tell whether members have all partitions among themselves."""
        return set[int]().union(*(each.partitions for each in members)) == set(range(self.partitions))

    def owned(self) -> set[int]:
        return set().union(*(member.partitions for member in self.crew if member.alive))

    def told(self) -> str:
        """Return what the crew's logs end with."""
        return "\n".join(
            f"{member.worker.log_file.name} ({member.worker.process.poll()}): {member.worker.log[-600:]}"
            for member in self.crew
        )

    # -- conservation ----------------------------------------------------------------------------------------------

    def unaccounted(self) -> list[str]:
        """Return the input partitions whose records do not all have one fate, by what the workers last published.

        Those that still do not after a while: a worker that came last may yet have to catch up, and sends on again
        what its predecessor had sent on, to others who read it then.
        """
        end = time.monotonic() + ACCOUNTED_WITHIN_S
        while (found := self._unaccounted_now()) and time.monotonic() < end:
            self.rest(POLL_S)
        return found

    def _unaccounted_now(self) -> list[str]:
        counts: dict[str, dict[str, int]] = {}
        for told in self._progress():
            counts |= told["counts"]
        there = self.counted(*INPUTS, *INTERNAL)
        sums = {name: sum(fates.values()) for name, fates in counts.items()}
        return [
            f"{name}: {there.get(name, 0)} records, {counts.get(name)}"
            for name in sorted(there.keys() | sums.keys())
            if there.get(name, 0) != sums.get(name, 0)
        ]

    def overrun(self) -> list[str]:
        """Return the input partitions of which more is committed than what the workers said that they had read.

        They say so in the transaction that holds what follows from it, so that none of it is lost when a worker ends.
        """
        said: dict[str, int] = {}
        for told in self._progress():
            said |= told["positions"]
        committed = {f"{topic}-{number}": at for (topic, number), at in self._committed().items()}
        return [
            f"{name}: {at} committed, {said.get(name, 0)} said"
            for name, at in committed.items()
            if at > said.get(name, 0)
        ]

    def _progress(self) -> Iterator[Mapping[str, Any]]:
        """Yield what the workers said about how far they are, each partition's in its order."""
        for record in self.read(PROGRESS):
            if record.key == PROGRESS_KEY:
                yield json.loads(record.value)

    def counted(self, *topics: str) -> dict[str, int]:
        """Return how many committed records each partition of some topics holds."""
        counts: Counter[str] = Counter()
        with _Reader(self._reader_options()) as reader:
            for message in reader.read([TopicPartition(*place, 0) for place in self._places(topics)]):
                counts[f"{message.topic()}-{message.partition()}"] += 1
        return counts
