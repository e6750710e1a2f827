"""Takes up what the last owner left: what it emitted since the checkpoint, how far it had read, what it had noted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.errors import Fatal, InvalidMessage
from streams.runtime.layout import in_present, of_others, recreated, without
from streams.runtime.missing_records import forgotten_count, refuse_missing, refuse_truncated, unread_count
from streams.runtime.poison_isolation import ATTEMPT_LOG_KEY, PoisonIsolation, unpack_attempt_log
from streams.runtime.ports import TP, Checkpoint, Layout, OutputLog, Processor, Stored
from streams.runtime.positions import Positions, advance_to
from streams.runtime.progress import PROGRESS_KEY, REBUILT_KEY, Progress, latest_progress, progress_in
from streams.runtime.settings import TaskSettings
from streams.runtime.watchdog import Health

logger = logging.getLogger("sop.task")


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where a new owner stands, by `topic-partition`."""

    starts: Mapping[str, int]
    """The next offsets to read, where they are not the earliest."""
    until: Mapping[str, int]
    """Up to where (exclusive) the last owner had read, as far as that is still there."""
    ends: Mapping[str, int]
    """The offsets after the last records that are there now."""
    again: Sequence[str]
    """Names that another version could not conclude upon."""
    is_layout_told: bool
    """Whether it is on `internal.progress` in which topics all this is."""


class Recovery:
    """One recovery of one partition number: brings work, standing and suspects to where the last owner was."""

    def __init__(
        self,
        partition: int,
        settings: TaskSettings,
        *,
        log: OutputLog,
        work: Processor,
        positions: Positions,
        suspects: PoisonIsolation,
        health: Health,
    ) -> None:
        """Take what is to be brought there, and where to read what was emitted."""
        self._partition = partition
        self._settings = settings
        self._log, self._work, self._health = log, work, health
        self._positions, self._isolation = positions, suspects
        self._told: Progress | None = None
        """What the last owner told last."""
        self._recreated: frozenset[str] = frozenset()
        """Topics that were created again since somebody told in which topics all is."""
        self._foreign: set[TP] = set()
        """Partitions in which somebody else's records were found."""

    async def run(self, saved: Checkpoint) -> Recovered:
        """Go on from a checkpoint, with what was emitted since.

        Raises `Fatal` where the state was made from other topics than are there now, where inputs are gone that
        decisions rest on or that nobody has read, where outputs are gone that nobody has read back, and where
        partitions end before where they were read or written.
        """
        settings = self._settings
        recreated_topics = recreated(saved.layout, settings.layout, accepts=settings.accepts_trimmed)
        saved = without(saved, recreated_topics)
        self._isolation.wary = not saved.ended_cleanly
        self._positions.begin(saved)
        await self._work.begin(saved.counts)
        decided_at: dict[str, int] = {}
        await self._read_back(settings.progress_topic, decided_at)
        told_layout = self._told.layout if self._told is not None else saved.layout
        found_layout = told_layout or await self._layout_of_group()
        self._recreated = recreated(found_layout, settings.layout, accepts=settings.accepts_trimmed)
        if recreated_topics | self._recreated:
            self._work.forget_positions(recreated_topics | self._recreated)
            self._isolation.forget_positions(self._recreated)
        for topic in settings.output_topics:
            await self._read_back(topic, decided_at)
        again = self._restore_quarantined()
        outputs = [TP(topic, self._partition) for topic in settings.output_topics]
        inputs = [TP(topic, self._partition) for topic in settings.input_topics]
        found = await self._log.bounds([*inputs, *outputs])
        self._positions.find_again(self._recreated, {tp.name: found[tp][1] for tp in outputs})
        self._look_for_forgotten(saved, {tp.name: found[tp] for tp in outputs})
        bounds = {tp.name: found[tp] for tp in inputs}
        self._refuse_truncated(saved, bounds)
        starts = self._starts(saved, {name: earliest for name, (earliest, _) in bounds.items()}, decided_at)
        self._positions.start_at(starts)
        # What was deleted since cannot be read up to where the last owner had read it.
        until = {name: min(at, bounds[name][1]) for name, at in decided_at.items() if name in bounds}
        ends = {name: end for name, (_, end) in bounds.items()}
        return Recovered(starts, until, ends, again, told_layout == settings.layout)

    async def _layout_of_group(self) -> Layout | None:
        """Return in which topics the owner of number 0 said to be: a number that is new came with more partitions."""
        told = await latest_progress(self._log, TP(self._settings.progress_topic, 0)) if self._partition else None
        return told.progress.layout if told is not None else None

    def _refuse_truncated(self, saved: Checkpoint, bounds: Mapping[str, tuple[int, int]]) -> None:
        read = dict(saved.inputs)
        if self._told is not None:
            advance_to(read, self._told.positions)
        for name, (_, end) in bounds.items():
            refuse_truncated(name, read.get(name, 0), end)

    def _look_for_forgotten(self, saved: Checkpoint, bounds: Mapping[str, tuple[int, int]]) -> None:
        """Look whether all that was said since the checkpoint could be read back, but what was gone without before.

        What a checkpoint says was said holds that already; where there is none, what was told last has to say it.
        """
        said, skipped = (self._told.emitted_counts, self._told.skipped) if self._told is not None else ({}, {})
        for name, (earliest, end) in bounds.items():
            position = saved.outputs.get(name, 0)
            refuse_truncated(name, position, end)
            is_counted = bool(position or saved.emitted_counts.get(name))
            gone = (saved.skipped if is_counted else skipped).get(name, 0)
            known = self._positions.emitted_counts.get(name, 0) + (0 if is_counted else gone)
            missing = said.get(name, 0) - known
            forgotten = forgotten_count(name, position, earliest, missing, accepts=self._settings.accepts_trimmed)
            self._positions.forgot(name, known + forgotten, gone + forgotten)

    async def _read_back(self, topic: str, decided_at: dict[str, int]) -> None:
        """Hand over what was emitted on a topic since the checkpoint; raise to where it was decided, in place."""
        tp = TP(topic, self._partition)
        async for records in self._log.read(tp, self._positions.written(tp)):
            self._health.moves += 1
            for record in records:
                advance_to(decided_at, self._read_at(tp, record))
            await self._work.apply_restored()

    def _read_at(self, tp: TP, record: Stored) -> Mapping[str, int]:
        """Take what an earlier owner emitted; return the input positions at which it did.

        What somebody else wrote there was never said, so it is passed over.
        """
        try:
            if tp.topic == self._settings.progress_topic:
                read_at = self._progress_at(tp, record)
            else:
                former = self._former(tp, record)
                read_at = self._work.restore_output(tp.topic, record, former)
                read_at = of_others(read_at, former) if former else read_at
        except InvalidMessage as error:
            self._positions.wrote({tp: record.offset + 1})
            if tp not in self._foreign:  # one line a partition: there may be many
                logger.warning("%s@%d: not written by a worker, passed over: %s", tp.name, record.offset, error)
                self._foreign.add(tp)
            return {}
        self._positions.read_back(tp, record.offset)
        return read_at

    def _former(self, tp: TP, record: Stored) -> Collection[str]:
        """Return the topics that were created again since a record was emitted."""
        known = self._positions.recreated_topics.items()
        return self._recreated.union(topic for topic, ends in known if record.offset < ends.get(tp.name, 0))

    def _progress_at(self, tp: TP, record: Stored) -> Mapping[str, int]:
        self._isolation.wary = True
        if record.value is None:
            return {}
        if record.key == ATTEMPT_LOG_KEY:
            self._isolation.recall(unpack_attempt_log(record.value))
            return {}
        if record.key == REBUILT_KEY:
            raise Fatal(
                f"{tp.name}@{record.offset}: the checkpoints that sop rebuild made are gone, and what was said of "
                "cases that it moved lies in other partitions: stop all workers and run it again"
            )
        if record.key != PROGRESS_KEY:
            raise InvalidMessage("key: none of a worker's")
        progress = in_present(progress_in(tp, record), self._settings.layout)
        self._told = progress
        self._isolation.wary = not progress.ended_cleanly
        self._positions.skipped = dict(progress.skipped)
        self._positions.recreated_topics = {topic: dict(ends) for topic, ends in progress.recreated_topics.items()}
        self._positions.now = max(self._positions.now, progress.now)
        self._positions.quarantined, self._positions.first_offsets = (
            dict(progress.quarantined),
            dict(progress.first_offsets),
        )
        return progress.positions

    def _restore_quarantined(self) -> list[str]:
        """Leave aside what this version could not conclude upon; return what another could not."""
        aside = self._positions.quarantined
        again = [name for name, each in aside.items() if each.version != self._settings.version]
        for name in again:
            del aside[name]
        for name in aside:
            self._work.quarantine(name)
        return again

    def _starts(self, saved: Checkpoint, earliest: Mapping[str, int], decided_at: Mapping[str, int]) -> dict[str, int]:
        """Return where to read from: where the checkpoint stands, as far as that is still there."""
        begun, accepts = self._positions.first_offsets, self._settings.accepts_trimmed
        required = [TP(topic, self._partition).name for topic in self._settings.required_topics]
        refuse_missing(required, {**begun, **saved.inputs}, earliest, decided_at, accepts=accepts)
        for name, at in self._known(saved, decided_at).items():
            self._positions.skip(name, unread_count(name, at, earliest[name], accepts=accepts))
        for name, at in earliest.items():
            if name not in saved.inputs:
                begun[name] = max(begun.get(name, 0), at)
        return {name: max(saved.inputs.get(name, 0), at) for name, at in earliest.items() if name in saved.inputs or at}

    def _known(self, saved: Checkpoint, decided_at: Mapping[str, int]) -> dict[str, int]:
        """Return the next offset to read of each input partition of which somebody was to read all that came.

        Version 0.1 counted no marker of a transaction as read, so of topics that hold many nothing is known.
        """
        layouts = [each for each in (saved.layout, self._told.layout if self._told else None) if each is not None]
        known: dict[str, int] = {}
        for topic in self._settings.input_topics:
            name = TP(topic, self._partition).name
            if any(topic in layout.ids for layout in layouts):
                known[name] = 0
            if layouts or topic not in self._settings.internal_topics:
                advance_to(known, {name: max(saved.inputs.get(name, 0), decided_at.get(name, 0))})
        return known
