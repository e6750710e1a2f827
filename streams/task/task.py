"""One partition number's task: batches in, one transaction of outputs out, a checkpoint every so often.

A task owns the partitions of its number of every input topic. A step takes the batches at hand, lets the work add them
to its state, and publishes all that follows in one transaction; there is no other exit from a step than acknowledged
outputs or the end of the process (architecture, 3.3). Offsets count as done only with the checkpoint that holds their
effect. What the work is, is not known here.
"""

from __future__ import annotations

import asyncio
import traceback
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from schemas.errors import Fatal, SopError, Unavailable
from streams.ports import TP, Clock, Incoming, Outgoing, OutputLog, Publisher, Saved, Store, Stored
from streams.task.positions import raise_to, reached
from streams.task.progress import PROGRESS_KEY, Progress, pack_progress, unpack_progress
from streams.task.suspects import (
    ATTEMPTS_MAX,
    NO_SUSPECTS,
    SUSPECTS_KEY,
    Note,
    Suspects,
    pack_note,
    ranges_of,
    unpack_note,
)
from streams.watchdog import Vitals

BATCHES_WAITING_MAX = 16
LOOK_EVERY_S = 0.1
SAVE_AGAIN_AFTER_S = 0.5

Batches = Sequence[tuple[TP, Sequence[Incoming]]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a checkpoint has to write: blobs by key, deadlines by id (microseconds; None: none any more)."""

    blobs: Mapping[str, bytes]
    deadlines: Mapping[str, int | None]


class Work(Protocol):
    """What a task does with the records of its partition number; holds the state that they make."""

    def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Start from the counts of the last checkpoint; state is loaded when it is touched."""

    def recall(self, topic: str, record: Stored) -> Mapping[str, int]:
        """Take a record that an earlier owner emitted since the checkpoint, each topic's in their order.

        Returns the input positions at which it was decided, by `topic-partition`, empty if it does not say.
        """

    async def recalled(self, read: Mapping[str, int]) -> None:
        """Bring the state in line with everything recalled.

        `read` are the next offsets, by `topic-partition`, to which the earlier owner had read when it last published:
        what was to be sent on of the records before them was.
        """

    async def take(self, batches: Batches) -> None:
        """Add batches to the state."""

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Have a record that cannot be taken go to the dead letters."""

    async def conclude(self, now: int, positions: Mapping[str, int]) -> list[Outgoing]:
        """Return what is to be published by now (microseconds), the inputs having been read up to `positions`."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what became of the records taken, by `topic-partition`."""

    @property
    def changed(self) -> bool:
        """Whether `pack` has anything to return."""

    def pack(self) -> Changes:
        """Return what changed since the last call."""

    def saved(self) -> None:
        """Hear, between two steps, that everything packed is in the store, so that it may be dropped from memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """What all tasks of a worker share; `checkpoint_interval` in microseconds."""

    consumed: tuple[str, ...]
    """The input topics."""
    emitted: tuple[str, ...]
    """The output topics of which a task writes its own partition number, `progress` not among them."""
    progress: str
    """The topic that says, in every transaction, how far the inputs had been read."""
    step_records_max: int
    checkpoint_interval: int


class Task:
    """The work of one partition number."""

    def __init__(
        self,
        partition: int,
        work: Work,
        settings: TaskSettings,
        *,
        publisher: Publisher,
        log: OutputLog,
        store: Store,
        clock: Clock,
    ) -> None:
        """Take the partition number, its work and the world; `recover` comes first, then `run`."""
        self.partition = partition
        self.committable: dict[TP, int] = {}
        """The offsets up to which the effect of what was read is in a checkpoint."""
        self.vitals = Vitals()
        self._work = work
        self._settings = settings
        self._publisher, self._log, self._store, self._clock = publisher, log, store, clock
        self._queue: asyncio.Queue[tuple[TP, Sequence[Incoming]]] = asyncio.Queue(BATCHES_WAITING_MAX)
        self._inputs = [TP(topic, partition) for topic in settings.consumed]
        self._positions: dict[str, int] = {}
        self._consumed: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._hold: dict[str, int] = {}
        self._ahead: list[tuple[TP, Sequence[Incoming]]] = []
        self._suspects = Suspects()
        self._finishing = False
        self._saved_at = 0
        self._now = 0
        self._concluded = False
        self._saving: asyncio.Task[None] | None = None

    # -- life ----------------------------------------------------------------------------------------------------------

    async def recover(self) -> dict[TP, int]:
        """Take over: fence the last owner, load the checkpoint, read back what was emitted since.

        Returns the offsets to read from, where they are not the earliest. Until consumption has come as far as the
        last owner's had, nothing goes out: what it took into account is never out of account again.
        """
        self.vitals.at_work = True
        await self._publisher.start()
        saved = await self._store.claim() or Saved({}, {}, {})
        self._positions, self._outputs = dict(saved.inputs), dict(saved.outputs)
        self._consumed = dict(saved.consumed)
        self._work.begin(saved.counts)
        decided_at = await self._read_back()
        await self._work.recalled(decided_at)
        bounds = {tp.name: found for tp, found in (await self._log.bounds(self._inputs)).items()}
        for name, (earliest, _) in bounds.items():
            if name in self._positions or earliest:
                self._positions[name] = max(self._positions.get(name, 0), earliest)
        self._told = dict(self._positions)
        # What was deleted since cannot be read up to where the last owner had read it.
        self._hold = {name: min(at, bounds[name][1]) for name, at in decided_at.items() if name in bounds}
        self._saved_at = self._clock.now_us()
        self.committable = {tp: self._positions[tp.name] for tp in self._inputs if tp.name in self._positions}
        if not self._suspects.wary:
            await self._note(NO_SUSPECTS)  # who finds it without a checkpoint after it knows that this owner died
        self.vitals.at_work = False
        return dict(self.committable)

    async def _read_back(self) -> dict[str, int]:
        """Hand over what was emitted since the checkpoint; return the furthest input positions it was decided at."""
        decided_at: dict[str, int] = {}
        for topic in (*self._settings.emitted, self._settings.progress):
            tp = TP(topic, self.partition)
            async for records in self._log.read(tp, self._outputs.get(tp.name, 0)):
                self.vitals.moves += 1
                for record in records:
                    raise_to(decided_at, self._read_at(topic, record))
                    self._outputs[tp.name] = record.offset + 1
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
        self._now = max(self._now, progress.now)
        return progress.positions

    async def enqueue(self, tp: TP, records: Sequence[Incoming]) -> None:
        """Hand over a batch of one input partition; waits while too many are waiting."""
        await self._queue.put((tp, records))

    async def run(self) -> None:
        """Work until `finish`; any exception means that the process has to end."""
        while not self._finishing:
            batches = await self._gather()
            self.vitals.at_work = True
            await self.step(batches)
            self.vitals.at_work = False
            self.vitals.moves += 1

    def finish(self) -> None:
        """Let `run` end after the step it is in; what is queued stays undone."""
        self._finishing = True

    async def stop(self) -> None:
        """Write a last checkpoint and disconnect; `run` has ended before.

        What was read back and not concluded upon is in no state that could be saved: the next owner reads it again.
        """
        await self._saving_done()
        if self._concluded:
            if self._told != self._positions:
                await self._publish([])
            await self._save(*self._packed())
        await self._publisher.stop()

    async def _gather(self) -> list[tuple[TP, Sequence[Incoming]]]:
        """Return the batches at hand; none when nothing came for a while, since something may be due."""
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                batches = [await self._queue.get()]
        except TimeoutError:
            return []
        count = len(batches[0][1])
        while count < self._settings.step_records_max and not self._queue.empty():
            batches.append(self._queue.get_nowait())
            count += len(batches[-1][1])
        return batches

    # -- a step --------------------------------------------------------------------------------------------------------

    async def step(self, batches: Batches) -> None:
        """Take batches in, publish what follows from them and from what is due, save when it is time."""
        await self._step_through(self._read_before(batches) if self._hold else batches)
        if self._ahead and not self._hold:
            ahead, self._ahead = self._ahead, []
            await self._step_through(ahead)

    async def _step_through(self, batches: Batches) -> None:
        for portion in self._suspects.portions(batches):
            if not self._finishing:
                await self._step(portion)

    async def _step(self, portion: Batches) -> None:
        outgoing = await self._decide(portion)
        if outgoing is None:
            return
        if outgoing or (self._save_is_due() and self._told != self._positions):
            await self._publish(outgoing)
        self._concluded = True
        await self._save_if_due()

    async def _decide(self, portion: Batches) -> list[Outgoing] | None:
        """Return what is to be published, None while nothing may be; what cannot be survived is noted before."""
        note = self._suspects.note_of(portion)
        if note is not None:
            await self._note(note)
        try:
            outgoing = await self._take_and_conclude(portion)
        except SopError:
            if note is not None:
                await self._note(NO_SUSPECTS)  # the world's fault, not the records'
            raise
        except Exception as error:
            raise await self._blamed(portion, note, error) from error
        if note is not None:
            await self._note(NO_SUSPECTS)
        return outgoing

    async def _take_and_conclude(self, portion: Batches) -> list[Outgoing] | None:
        refusal = self._suspects.refusal(portion)
        if refusal is None:
            await self._take(portion)
        else:
            self._refuse(portion, refusal)
        if self._held():
            return None
        self._hold = {}
        self._now = max(self._now, self._clock.now_us())  # the last owner's clock may have been ahead
        return await self._work.conclude(self._now, self._positions)

    async def _blamed(self, portion: Batches, note: Note | None, error: Exception) -> Fatal:
        """Note under which records something was raised, for the next owner to look at them one by one."""
        attempts = 1 if note is None else note.attempts
        blamed = Note(ranges_of(portion), attempts, type(error).__name__)
        place = f"partition {self.partition}, what has come due"
        if portion:
            place = blamed.place
            await self._note(blamed)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # not the error's own words: they may be the event's
        return Fatal(f"{place}: {blamed.error} ({frame.filename}:{frame.lineno}), attempt {attempts} of {ATTEMPTS_MAX}")

    async def _note(self, note: Note) -> None:
        record = Outgoing(self._settings.progress, self.partition, SUSPECTS_KEY, pack_note(note))
        for tp, end in (await self._publisher.publish([record])).items():
            self._outputs[tp.name] = end

    def _refuse(self, portion: Batches, reason: str) -> None:
        for tp, records in portion:
            for record in records:
                self._work.refuse(tp, record, reason)
        self._read(portion)

    async def _take(self, batches: Batches) -> None:
        await self._work.take(batches)
        self._read(batches)

    def _read(self, batches: Batches) -> None:
        for tp, records in batches:
            self._positions[tp.name] = records[-1].offset + 1
            self._consumed[tp.name] = self._consumed.get(tp.name, 0) + len(records)

    def _read_before(self, batches: Batches) -> Batches:
        """Return of batches what the last owner had read too; the rest waits until all of that is read.

        Else the rest could come before something that was accepted, and have it refused this time.
        """
        before: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            count = bisect_left(records, self._hold.get(tp.name, 0), key=attrgetter("offset"))
            if count:
                before.append((tp, records[:count]))
            if count < len(records):
                self._ahead.append((tp, records[count:]))
        return before

    async def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish what follows from the inputs, with how far they were read; without the former just to tell it."""
        told = pack_progress(Progress(self._now, self._positions, self._consumed, self._work.counts()))
        progress = Outgoing(self._settings.progress, self.partition, PROGRESS_KEY, told)
        for tp, end in (await self._publisher.publish([*outgoing, progress])).items():
            self._outputs[tp.name] = end
        self._told = dict(self._positions)

    def _held(self) -> bool:
        return bool(self._hold) and not reached(self._positions, self._hold)

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def _save_is_due(self) -> bool:
        is_free = self._saving is None or self._saving.done()
        return is_free and self._clock.now_us() - self._saved_at >= self._settings.checkpoint_interval

    async def _save_if_due(self) -> None:
        if self._saving is not None and self._saving.done():
            await self._saving_done()
        if not self._save_is_due():
            return
        self._saved_at = self._clock.now_us()
        read_on = any(self._positions.get(tp.name, 0) > self.committable.get(tp, 0) for tp in self._inputs)
        self.vitals.unsaved = read_on or self._work.changed
        if self.vitals.unsaved:
            self._saving = asyncio.create_task(self._save(*self._packed()), name=f"checkpoint-{self.partition}")

    def _packed(self) -> tuple[Saved, Changes]:
        """Return everything that changed since the last checkpoint, with where it stands.

        To be called between two steps: within one, positions, state and outputs are not those of one moment.
        """
        changes = self._work.pack()
        counts = self._work.counts()
        return Saved(dict(self._positions), dict(self._outputs), counts, dict(self._consumed)), changes

    async def _save(self, saved: Saved, changes: Changes) -> None:
        """Write a checkpoint in one atomic step; steps go on meanwhile."""
        while True:
            try:
                await self._store.save(saved, changes.blobs, changes.deadlines)
                break
            except Unavailable:
                await asyncio.sleep(SAVE_AGAIN_AFTER_S)
        self.committable.update({tp: saved.inputs[tp.name] for tp in self._inputs if tp.name in saved.inputs})
        self._suspects.wary = False
        self.vitals.saves += 1
        self.vitals.unsaved = False

    async def _saving_done(self) -> None:
        if self._saving is not None:
            await self._saving
            self._saving = None
            self._work.saved()
