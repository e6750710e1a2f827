"""A bench that restarts workers when they end, as a service manager would."""

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
RESTART_AFTER_S = 0.3
METADATA_WITHIN_S = 30.0
ACCOUNTED_WITHIN_S = 30.0


@dataclass
class Replica:
    """A worker that is restarted when it ends, always with the same settings."""

    settings: Mapping[str, object]
    worker: Worker
    ended_at_s: float | None = None

    @property
    def partitions(self) -> set[int]:
        """The partition numbers that the worker last logged."""
        logged = self.worker.partitions
        return {int(number) for number in logged.split(", ")} if logged not in ("", "none") else set()

    @property
    def alive(self) -> bool:
        return self.worker.process.poll() is None


@dataclass
class FaultBench(Bench):
    """A bench whose replicas are restarted when their workers end."""

    replicas: list[Replica] = field(default_factory=list)
    exits: Counter[int] = field(default_factory=Counter)
    """The exit statuses of workers that ended by themselves."""

    def add_worker(self, **settings: object) -> Replica:
        """Start a replica."""
        self.replicas.append(Replica(settings, self.start(**settings)))
        return self.replicas[-1]

    def remove_worker(self, replica: Replica) -> int:
        """Stop a replica for good; return its exit status."""
        self.replicas.remove(replica)
        return replica.worker.stop()

    def restart(self, replica: Replica) -> None:
        """Start the next worker of a replica."""
        replica.worker = self.start(**replica.settings)

    def kill(self, replica: Replica) -> bool:
        """Kill a replica's worker and start the next; return False if it had ended by itself."""
        if not replica.alive:
            return False
        replica.worker.kill()
        self.restart(replica)
        return True

    def check_workers(self) -> None:
        """Restart workers that ended, after a moment."""
        for replica in self.replicas:
            if replica.alive:
                continue
            if replica.ended_at_s is None:
                replica.ended_at_s = time.monotonic()
                self.exits[replica.worker.process.wait()] += 1
            elif time.monotonic() - replica.ended_at_s >= RESTART_AFTER_S:
                replica.ended_at_s = None
                self.restart(replica)

    def wait_until(self, holds: Callable[[], bool], within_s: float = 90.0) -> None:
        """Wait for a condition, restarting workers meanwhile."""

        def holds_now() -> bool:
            self.check_workers()
            return holds()

        until(holds_now, self.log_tails, within_s)

    def run_for(self, seconds: float) -> None:
        """Let time pass, restarting workers meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check_workers()
            time.sleep(min(left, POLL_S))

    def written(self, *topics: str) -> int:
        """Return how many offsets topics take up; retries while a restarted broker has no metadata."""
        end = time.monotonic() + METADATA_WITHIN_S
        while True:
            try:
                return super().written(*topics)
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_S)

    def _ends_when_idle(self) -> dict[tuple[str, int], int] | None:
        # A worker that is starting again has nothing to read, but may have something to emit.
        if self.replicas and self.owned_partitions() != set(range(self.partitions)):
            return None
        try:
            return super()._ends_when_idle()
        except KafkaException:
            return None

    def wait_for_progress(self, records: int, within_s: float = 3.0) -> None:
        """Wait for this many more progress records, at most `within_s` seconds."""
        wanted = self.written(PROGRESS) + records
        end = time.monotonic() + within_s
        self.wait_until(lambda: self.written(PROGRESS) >= wanted or time.monotonic() > end)

    def wait_until_ready(self) -> None:
        """Wait until every partition has an owner."""
        self.wait_until(lambda: self.owned_partitions() == set(range(self.partitions)))

    def wait_until_assigned(self, replica: Replica) -> None:
        """Wait until a replica owns a partition."""
        self.wait_until(lambda: replica.partitions != set())

    def own_all_partitions(self, *replicas: Replica) -> bool:
        """Return whether the replicas together own all partitions."""
        return set[int]().union(*(each.partitions for each in replicas)) == set(range(self.partitions))

    def owned_partitions(self) -> set[int]:
        return set().union(*(replica.partitions for replica in self.replicas if replica.alive))

    def log_tails(self) -> str:
        """Return the ends of the replicas' logs."""
        return "\n".join(
            f"{replica.worker.log_file.name} ({replica.worker.process.poll()}): {replica.worker.log[-600:]}"
            for replica in self.replicas
        )

    # -- accounting ------------------------------------------------------------------------------------------------

    def unaccounted(self) -> list[str]:
        """Return the input partitions where the published counts differ from the number of records.

        Retries for a while, because a new owner may still have to catch up and forward records again.
        """
        end = time.monotonic() + ACCOUNTED_WITHIN_S
        while (found := self._unaccounted_now()) and time.monotonic() < end:
            self.run_for(POLL_S)
        return found

    def _unaccounted_now(self) -> list[str]:
        counts: dict[str, dict[str, int]] = {}
        for published in self._progress():
            counts |= published["counts"]
        existing = self.record_counts(*INPUTS, *INTERNAL)
        sums = {name: sum(by_disposition.values()) for name, by_disposition in counts.items()}
        return [
            f"{name}: {existing.get(name, 0)} records, {counts.get(name)}"
            for name in sorted(existing.keys() | sums.keys())
            if existing.get(name, 0) != sums.get(name, 0)
        ]

    def overcommitted(self) -> list[str]:
        """Return the input partitions whose committed offset is beyond the published position.

        Workers publish positions in the same transaction as the outputs, so outputs before the position are not lost.
        """
        positions: dict[str, int] = {}
        for published in self._progress():
            positions |= published["positions"]
        committed = {f"{topic}-{number}": at for (topic, number), at in self._committed().items()}
        return [
            f"{name}: {at} committed, {positions.get(name, 0)} published"
            for name, at in committed.items()
            if at > positions.get(name, 0)
        ]

    def _progress(self) -> Iterator[Mapping[str, Any]]:
        """Yield the published progress of the workers, in order within each partition."""
        for record in self.read(PROGRESS):
            if record.key == PROGRESS_KEY:
                yield json.loads(record.value)

    def record_counts(self, *topics: str) -> dict[str, int]:
        """Return the number of committed records in each partition of the topics."""
        counts: Counter[str] = Counter()
        with _Reader(self._reader_options()) as reader:
            for message in reader.read([TopicPartition(*place, 0) for place in self._places(topics)]):
                counts[f"{message.topic()}-{message.partition()}"] += 1
        return counts
