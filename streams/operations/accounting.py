"""What became of every record consumed, as the workers published it, against how far Kafka says they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.layout import TopicLayout
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.runtime.layout import replaced
from streams.runtime.ports import TP, Layout, OutputLog, Quarantined
from streams.runtime.progress import Progress, latest_progress

HELD_UP_S: Final = 5.0
"""For how long an open transaction has to keep readers at the same offset until it is told."""


@dataclass(frozen=True, slots=True)
class Account:
    """One input partition: offsets as Kafka has them, counts as the task published them."""

    tp: TP
    end: int
    """The offset after the last stable record."""
    committed: int
    """The group's offset, which follows the checkpoints."""
    position: int = 0
    """The next offset to read when the task last told."""
    consumed: int = 0
    dispositions: Mapping[str, int] = field(default_factory=dict)
    """How many were applied, duplicate, dead_lettered, forwarded."""
    earliest: int = 0
    """The earliest offset kept."""
    awaited: int | None = None
    """The next offset to read, None where nobody has said to begin before what is kept."""
    is_held_up: bool = False
    """Whether there is more behind the end, which another producer's open transaction keeps from everybody."""

    @property
    def lag(self) -> int:
        """How many offsets are not read yet, as far as told."""
        return max(self.end - max(self.position, self.committed), 0)

    @property
    def problem(self) -> str | None:
        """What does not add up, None if all does."""
        counted = sum(self.dispositions.values())
        if counted != self.consumed:
            return f"{self.consumed} records consumed, {counted} accounted for"
        if self.consumed > self.position:
            return f"{self.consumed} records consumed where {self.position} offsets were read"
        if max(self.position, self.committed) > self.end:
            return f"read up to {max(self.position, self.committed)}, but the topic ends at {self.end}"
        if self.awaited is not None and self.awaited < self.earliest:
            return f"{self.awaited} to {self.earliest - 1} are no longer there and were never read"
        if self.is_held_up:
            return f"nothing from {self.end} on can be read until the transaction of another producer there has ended"
        return None


@dataclass(frozen=True, slots=True)
class Overview:
    """The account of every consumed partition, and what is quarantined, by name.

    `published_at` has, by partition number, the instant (microseconds) at which counts were last published; `skipped`,
    by input and output partition, how many accepted offsets or messages were deleted before they were read. `changes`
    has one line for each way in which the topics differ from the ones that the workers knew.
    """

    accounts: list[Account]
    aside: Mapping[str, Quarantined]
    published_at: Mapping[int, int]
    skipped: Mapping[str, int]
    changes: Sequence[str] = ()

    def accepted_losses(self) -> Iterator[str]:
        """Yield what was lost unread and accepted, one line each."""
        for name, count in self.skipped.items():
            gone = f"{name}: {count} offsets were deleted before they were read"
            yield f"{gone}, which SOP_ACCEPT_TRIMMED_INPUTS accepted"

    def problems(self) -> Iterator[str]:
        """Yield what workers cannot go on with, what does not add up and what is set aside, one line each."""
        yield from self.changes
        for account in self.accounts:
            if account.problem is not None:
                yield f"{account.tp.name}: {account.problem}"
        for name, aside in self.aside.items():
            yield f"{name} is set aside: {aside.reason} (version {aside.version})"


async def overview(connection: KafkaConnection, topics: Topics, group: str) -> Overview:
    """Return how the workers of a group stand.

    Raises `UsageError` when Kafka does not answer or the topics are missing.
    """
    counts = await partition_counts(connection, topics.all)
    missing = [name for name in (*topics.consumed, topics.progress) if name not in counts]
    if missing:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(missing)}")
    tps = [TP(name, number) for name in topics.consumed for number in range(counts[name])]
    log = KafkaLog(connection)
    latest = [await latest_progress(log, TP(topics.progress, number)) for number in range(counts[topics.progress])]
    told = [each and each.progress for each in latest]
    committed = await _committed(connection, group)
    held_up = await _held_up(log, [tp for tp in tps if tp.topic in topics.inputs])
    bounds = await log.bounds(tps)
    aside = {name: each for progress in told if progress for name, each in sorted(progress.quarantined.items())}
    published_at = {number: each.at for number, each in enumerate(latest) if each}
    skipped = {name: count for progress in told if progress for name, count in sorted(progress.skipped.items())}
    accounts = [replace(each, is_held_up=each.tp in held_up) for each in _accounts(tps, bounds, committed, told)]
    layouts = [progress.layout for progress in told if progress and progress.layout]
    changes = _changes(counts, await TopicLayout(connection, topics.all).read(), layouts)
    return Overview(accounts, aside, published_at, skipped, list(changes))


async def _held_up(log: OutputLog, tps: Sequence[TP]) -> frozenset[TP]:
    """Return the partitions in which an open transaction keeps everybody from reading on, for a while by now."""
    if not (held_up := await log.hanging_transactions(tps)):
        return frozenset()
    before = await log.bounds(held_up)
    await asyncio.sleep(HELD_UP_S)
    bounds = await log.bounds(held_up)
    return frozenset(tp for tp in await log.hanging_transactions(held_up) if bounds[tp][1] == before[tp][1])


def _changes(counts: Mapping[str, int], present: Layout, made_under: Sequence[Layout]) -> Iterator[str]:
    """Yield what makes workers refuse to start: the partitions that topics have, their ids, those of earlier."""
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        yield f"topics differ in their number of partitions: {told}"
    if missing := sorted({name for layout in made_under for name in layout.ids} - present.ids.keys()):
        yield f"{', '.join(missing)}: deleted since the workers last read or wrote there"
    if others := sorted({name for layout in made_under for name in replaced(layout, present)}):
        yield f"{', '.join(others)}: deleted and created again since the workers last read or wrote there"
    if earlier := {layout.partitions for layout in made_under} - {present.partitions}:
        yield f"the topics have {present.partitions} partitions, the workers' state was made under {min(earlier)}"


def _accounts(
    tps: list[TP], bounds: Mapping[TP, tuple[int, int]], committed: Mapping[TP, int], told: list[Progress | None]
) -> Iterator[Account]:
    for tp in tps:
        progress = told[tp.partition] if tp.partition < len(told) else None
        if progress is None:
            yield Account(tp, bounds[tp][1], committed.get(tp, 0))
            continue
        yield Account(
            tp,
            bounds[tp][1],
            committed.get(tp, 0),
            progress.positions.get(tp.name, 0),
            progress.consumed.get(tp.name, 0),
            progress.counts.get(tp.name, {}),
            bounds[tp][0],
            progress.positions.get(tp.name, 0) if progress.layout is not None else None,
        )


async def _committed(connection: KafkaConnection, group: str) -> dict[TP, int]:
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group)
    except KafkaError as error:
        raise UsageError(
            f"Kafka at {connection.brokers}: the offsets of group {group} cannot be read: {error}"
        ) from error
    finally:
        await admin.close()
    return {TP(tp.topic, tp.partition): at.offset for tp, at in found.items() if at.offset >= 0}
