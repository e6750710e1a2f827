"""Takes up what the last owner left: what it emitted since the checkpoint, how far it had read, what it had noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.ports import TP, OutputLog, Saved, Stored
from streams.task.positions import raise_to
from streams.task.progress import unpack_progress
from streams.task.settings import TaskSettings
from streams.task.standing import Standing
from streams.task.suspects import SUSPECTS_KEY, Suspects, unpack_note
from streams.task.trimmed import refuse_missing
from streams.task.work import Work
from streams.watchdog import Vitals


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


class Recovery:
    """One recovery of one partition number: brings work, standing and suspects to where the last owner was."""

    def __init__(
        self,
        partition: int,
        settings: TaskSettings,
        *,
        log: OutputLog,
        work: Work,
        standing: Standing,
        suspects: Suspects,
        vitals: Vitals,
    ) -> None:
        """Take what is to be brought there, and where to read what was emitted."""
        self._partition = partition
        self._settings = settings
        self._log, self._work, self._vitals = log, work, vitals
        self._standing, self._suspects = standing, suspects

    async def run(self, saved: Saved) -> Recovered:
        """Go on from a checkpoint, with what was emitted since.

        Raises `Fatal` where inputs are gone that decisions rest on.
        """
        self._suspects.wary = not saved.ended
        self._standing.begin(saved)
        await self._work.begin(saved.counts)
        decided_at = await self._read_back()
        again = self._recall_aside()
        inputs = [TP(topic, self._partition) for topic in self._settings.consumed]
        bounds = {tp.name: found for tp, found in (await self._log.bounds(inputs)).items()}
        starts = self._starts(saved, {name: earliest for name, (earliest, _) in bounds.items()}, decided_at)
        self._standing.start_at(starts)
        # What was deleted since cannot be read up to where the last owner had read it.
        until = {name: min(at, bounds[name][1]) for name, at in decided_at.items() if name in bounds}
        return Recovered(starts, until, {name: end for name, (_, end) in bounds.items()}, again)

    async def _read_back(self) -> dict[str, int]:
        """Hand over what was emitted since the checkpoint; return the furthest input positions it was decided at."""
        decided_at: dict[str, int] = {}
        for topic in (*self._settings.emitted, self._settings.progress):
            tp = TP(topic, self._partition)
            async for records in self._log.read(tp, self._standing.written(tp)):
                self._vitals.moves += 1
                for record in records:
                    raise_to(decided_at, self._read_at(topic, record))
                    self._standing.wrote({tp: record.offset + 1})
                await self._work.recalled()
        return decided_at

    def _read_at(self, topic: str, record: Stored) -> Mapping[str, int]:
        """Take what an earlier owner emitted; return the input positions at which it did."""
        if topic != self._settings.progress:
            return self._work.recall(topic, record)
        self._suspects.wary = True
        if record.value is None:
            return {}
        if record.key == SUSPECTS_KEY:
            self._suspects.recall(unpack_note(record.value))
            return {}
        progress = unpack_progress(record.value)
        self._suspects.wary = not progress.ended
        self._standing.now = max(self._standing.now, progress.now)
        self._standing.aside, self._standing.begun = dict(progress.aside), dict(progress.begun)
        return progress.positions

    def _recall_aside(self) -> list[str]:
        """Leave aside what this version could not conclude upon; return what another could not."""
        aside = self._standing.aside
        again = [name for name, each in aside.items() if each.version != self._settings.version]
        for name in again:
            del aside[name]
        for name in aside:
            self._work.set_aside(name)
        return again

    def _starts(self, saved: Saved, earliest: Mapping[str, int], decided_at: Mapping[str, int]) -> dict[str, int]:
        """Return where to read from: where the checkpoint stands, as far as that is still there."""
        begun = self._standing.begun
        if not self._settings.accepts_trimmed:
            vital = [TP(topic, self._partition).name for topic in self._settings.vital]
            refuse_missing(vital, {**begun, **saved.inputs}, earliest, decided_at)
        for name, at in earliest.items():
            if name not in saved.inputs:
                begun[name] = max(begun.get(name, 0), at)
        return {name: max(saved.inputs.get(name, 0), at) for name, at in earliest.items() if name in saved.inputs or at}
