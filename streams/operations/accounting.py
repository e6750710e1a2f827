"""Whether every consumed record is accounted for: the counts that workers published, compared with Kafka's offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.consumer_group import committed_offsets
from streams.kafka.log import KafkaLog
from streams.kafka.topics import TopicLayout, partition_counts
from streams.runtime.layout import with_new_ids
from streams.runtime.ports import TP, Layout, OutputLog, Quarantined
from streams.runtime.progress import NO_PROGRESS, Progress, latest_progress

BLOCKED_S: Final = 5.0
"""How long an open transaction has to block a partition before it is reported."""


@dataclass(frozen=True, slots=True)
class Account:
    """One input partition: its offsets in Kafka, and the counts that its task published."""

    tp: TP
    end: int
    """The offset after the last stable record."""
    committed: int
    """The committed offset of the group, which follows the checkpoints."""
    position: int = 0
    """The next offset to read, as last published."""
    consumed: int = 0
    dispositions: Mapping[str, int] = field(default_factory=dict)
    """How many records were applied, duplicate, dead_lettered, forwarded."""
    earliest: int = 0
    """The earliest offset kept."""
    read_up_to: int | None = None
    """The next offset to read; None if records before the earliest offset may have been read (version 0.1)."""
    is_blocked: bool = False
    """Whether another producer's open transaction hides the records after the end."""

    @property
    def lag(self) -> int:
        """How many offsets have not been read."""
        return max(self.end - max(self.position, self.committed), 0)

    @property
    def problem(self) -> str | None:
        """What does not add up, None if everything does."""
        counted = sum(self.dispositions.values())
        if counted != self.consumed:
            return f"{self.consumed} records consumed, {counted} accounted for"
        if self.consumed > self.position:
            return f"{self.consumed} records consumed, but only {self.position} offsets read"
        if max(self.position, self.committed) > self.end:
            return f"read up to {max(self.position, self.committed)}, but the topic ends at {self.end}"
        if self.read_up_to is not None and self.read_up_to < self.earliest:
            return f"{self.read_up_to} to {self.earliest - 1} were deleted before they were read"
        if self.is_blocked:
            return f"blocked at {self.end} until another producer ends its open transaction there"
        return None


@dataclass(frozen=True, slots=True)
class Overview:
    """The account of every consumed partition, and what is quarantined, by name.

    `published_at` has, by partition number, the instant (microseconds) at which counts were last published; `skipped`,
    by input and output partition, how many accepted offsets or messages were deleted before they were read. `changes`
    has one line for each way in which the topics differ from the ones that the workers knew.
    """

    accounts: list[Account]
    quarantined: Mapping[str, Quarantined]
    published_at: Mapping[int, int]
    skipped: Mapping[str, int]
    changes: Sequence[str] = ()

    def accepted_losses(self) -> Iterator[str]:
        """Yield one line for each partition with offsets that were lost unread, as the operator accepted."""
        for name, count in self.skipped.items():
            lost = f"{name}: {count} offsets were deleted before they were read"
            yield f"{lost}, accepted with SOP_ACCEPT_TRIMMED_INPUTS"

    def problems(self) -> Iterator[str]:
        """Yield one line for each change of the topics, account that does not add up, and quarantined case."""
        yield from self.changes
        for account in self.accounts:
            if account.problem is not None:
                yield f"{account.tp.name}: {account.problem}"
        for name, each in self.quarantined.items():
            yield f"{name} is quarantined: {each.reason} (version {each.version})"


async def read_overview(connection: KafkaConnection, topics: Topics, group: str) -> Overview:
    """Return the overview of a group's workers.

    Raises `UsageError` if Kafka does not answer or topics are missing.
    """
    outputs = set(topics.written) - {*topics.consumed, topics.progress}
    counts = await partition_counts(connection, [*topics.consumed, topics.progress], optional=sorted(outputs))
    tps = [TP(name, number) for name in topics.consumed for number in range(counts[name])]
    log = KafkaLog(connection)
    found = [await latest_progress(log, TP(topics.progress, number)) for number in range(counts[topics.progress])]
    latest = {number: each for number, each in enumerate(found) if each}
    published = {number: each.progress for number, each in latest.items()}
    committed = await committed_offsets(connection, group)
    blocked = await _blocked(log, [tp for tp in tps if tp.topic in topics.inputs])
    bounds = await log.bounds(tps)
    accounts = []
    for tp in tps:
        progress = published.get(tp.partition, NO_PROGRESS)
        accounts.append(_account(tp, bounds[tp], committed.get(tp, 0), progress, is_blocked=tp in blocked))
    layouts = [each.layout for each in published.values() if each.layout]
    return Overview(
        accounts,
        {name: each for progress in published.values() for name, each in sorted(progress.quarantined.items())},
        {number: each.at for number, each in latest.items()},
        {name: count for progress in published.values() for name, count in sorted(progress.skipped.items())},
        list(_changes(counts, await TopicLayout(connection, topics.all).read(), layouts)),
    )


async def _blocked(log: OutputLog, tps: Sequence[TP]) -> frozenset[TP]:
    """Return the partitions in which an open transaction has kept consumers at one offset for a while."""
    if not (open_tps := await log.hanging_transactions(tps)):
        return frozenset()
    before = await log.bounds(open_tps)
    await asyncio.sleep(BLOCKED_S)
    bounds = await log.bounds(open_tps)
    return frozenset(tp for tp in await log.hanging_transactions(open_tps) if bounds[tp][1] == before[tp][1])


def _changes(counts: Mapping[str, int], present: Layout, known: Sequence[Layout]) -> Iterator[str]:
    """Yield a line for each reason for which workers would refuse these topics: their partition counts or ids."""
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        yield f"topics differ in their number of partitions: {counted}"
    if missing := sorted({name for layout in known for name in layout.ids} - present.ids.keys()):
        yield f"{', '.join(missing)}: deleted since the workers last used it"
    if others := sorted({name for layout in known for name in with_new_ids(layout, present)}):
        yield f"{', '.join(others)}: deleted and created again since the workers last used it"
    if earlier := {layout.partitions for layout in known} - {present.partitions}:
        yield f"the topics have {present.partitions} partitions, but the workers' state is for {min(earlier)}"


def _account(tp: TP, bounds: tuple[int, int], committed: int, progress: Progress, *, is_blocked: bool) -> Account:
    earliest, end = bounds
    position, consumed = progress.positions.get(tp.name, 0), progress.consumed.get(tp.name, 0)
    read_up_to = None if progress.layout is None else position
    dispositions = progress.counts.get(tp.name, {})
    return Account(tp, end, committed, position, consumed, dispositions, earliest, read_up_to, is_blocked)
