"""One partition number's work: batches in, one transaction of outputs out, a checkpoint every so often.

A task owns the partitions of its number of every input topic, and so all cases and partners whose keys hash there. A
step takes the batches at hand, adds their facts, and publishes all that follows in one transaction; there is no other
exit from a step than acknowledged outputs or the end of the process (architecture, 3.3). Offsets count as done only
with the checkpoint that holds their effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.moments import Moment, Reading
from schemas.errors import Unacceptable, Unavailable
from schemas.events import AnyEvent
from schemas.limits import Limits
from schemas.policy import PolicySet
from schemas.topics import Topics
from streams.intake import Intake, Origin, Taken, is_report, partition_of
from streams.outbox import Outbox
from streams.ports import TP, Clock, Incoming, OutputLog, Publisher, Saved, Store
from streams.positions import as_inputs, raise_to, reached
from streams.recovery import Emitted, read_back
from streams.residents import Residents
from streams.tally import Tally
from streams.wakes import Wakes

BATCHES_WAITING_MAX = 16
LOOK_EVERY_S = 0.1
STORE_LOOK_EVERY_US = 1_000_000
SAVE_AGAIN_AFTER_S = 0.5
DUE_PER_LOOK_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """What all tasks of a worker share; times in microseconds."""

    topics: Topics
    partitions: int
    policies: PolicySet
    limits: Limits
    facts_per_case_max: int
    residents_max: int
    step_records_max: int
    reading_wait: int
    checkpoint_interval: int


class Task:
    """The work of one partition number."""

    def __init__(
        self,
        partition: int,
        settings: TaskSettings,
        *,
        publisher: Publisher,
        log: OutputLog,
        store: Store,
        clock: Clock,
    ) -> None:
        """Take the partition number and the world; `recover` comes first, then `run`."""
        self.partition = partition
        self.committable: dict[TP, int] = {}
        """The offsets up to which the effect of what was read is in a checkpoint."""
        self.tally = Tally()
        self._settings = settings
        self._publisher, self._log, self._store, self._clock = publisher, log, store, clock
        self._cases = CaseAgent(settings.policies, facts_max=settings.facts_per_case_max)
        self._locations = LocationAgent(settings.policies)
        self._residents = Residents(self._cases.cases, self._locations.tracks, store)
        self._intake = Intake(settings.topics, settings.limits)
        self._queue: asyncio.Queue[tuple[TP, Sequence[Incoming]]] = asyncio.Queue(BATCHES_WAITING_MAX)
        self._inputs = [TP(topic, partition) for topic in settings.topics.consumed]
        self._location_inputs = [
            TP(topic, partition) for topic in (settings.topics.locations, settings.topics.partners)
        ]
        self._positions: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._hold: dict[str, int] = {}
        self._refused_before: set[tuple[str, int, int]] = set()
        self._outbox = Outbox(settings.topics, partition, settings.partitions)
        self._wakes = Wakes()
        self._touched_cases: set[str] = set()
        self._touched_partners: set[str] = set()
        self._answer_awaited: dict[str, int] = {}
        self._finishing = False
        self._saved_at = 0
        self._store_looked_at = 0
        self._saving: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    async def recover(self) -> dict[TP, int]:
        """Take over: fence the last owner, load the checkpoint, read back what was emitted since.

        Returns the offsets to read from, where they are not the earliest. Until consumption has come as far as the
        last owner had (`inputs` of what it emitted), nothing goes out: what it took into account is never out of
        account again.
        """
        await self._publisher.start()
        saved = await self._store.claim() or Saved({}, {}, {})
        self._positions, self._outputs = dict(saved.inputs), dict(saved.outputs)
        self.tally = Tally(saved.counts)
        emitted = await read_back(self._log, self._settings.topics, self.partition, self._outputs)
        await self._take_as_said(emitted)
        bounds = {tp.name: found for tp, found in (await self._log.bounds(self._inputs)).items()}
        for name, (earliest, _) in bounds.items():
            if name in self._positions or earliest:
                self._positions[name] = max(self._positions.get(name, 0), earliest)
        # What was deleted since cannot be read up to where the last owner had read it.
        self._hold = {name: min(at, bounds[name][1]) for name, at in emitted.inputs.items() if name in bounds}
        self._saved_at = self._clock.now_us()
        self.committable = {tp: self._positions[tp.name] for tp in self._inputs if tp.name in self._positions}
        return dict(self.committable)

    async def enqueue(self, tp: TP, records: Sequence[Incoming]) -> None:
        """Hand over a batch of one input partition; waits while too many are waiting."""
        await self._queue.put((tp, records))

    async def run(self) -> None:
        """Work until `finish`; any exception means that the process has to end."""
        while not self._finishing:
            await self.step(await self._gather())

    def finish(self) -> None:
        """Let `run` end after the step it is in; what is queued stays undone."""
        self._finishing = True

    async def stop(self) -> None:
        """Write a last checkpoint and disconnect; `run` has ended before."""
        await self._saving_done()
        if self._positions and not self._held():
            await self._save()
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

    # -- a step ----------------------------------------------------------------------------------------------------

    async def step(self, batches: Sequence[tuple[TP, Sequence[Incoming]]]) -> None:
        """Take batches in, publish what follows from them and from what is due, save when it is time."""
        taken = [self._intake.read(tp, record) for tp, records in batches for record in records]
        await self._residents.load(*_concerned(taken))
        for each in taken:
            self._take(each)
        for tp, records in batches:
            self._positions[tp.name] = records[-1].offset + 1
        if not self._held():
            self._hold = {}
            await self._conclude(self._clock.now_us())
            await self._save_if_due()

    def _held(self) -> bool:
        return bool(self._hold) and not reached(self._positions, self._hold)

    def _take(self, taken: Taken) -> None:
        content, origin = taken.content, taken.origin
        if origin.place in self._refused_before:
            self.tally.add(taken.tp, "dead_lettered")
        elif isinstance(content, Unacceptable):
            self._refuse(taken.tp, origin, content.reason)
        elif isinstance(content, Moment):
            self._locations.ask(content)
            self._touched_partners.add(content.partner_id)
            self.tally.add(taken.tp, "applied")
        elif isinstance(content, Reading):
            if self._cases.hear(content):
                self._touched_cases.add(content.moment.case_id)
            self.tally.add(taken.tp, "applied")
        else:
            self._take_event(taken.tp, origin, content)

    def _take_event(self, tp: TP, origin: Origin, event: AnyEvent) -> None:
        if not self._is_ours(event):
            self._outbox.forward(origin, event)
            self.tally.add(tp, "forwarded")
            return
        report = is_report(event)
        reception = self._locations.receive(event) if report else self._cases.receive(event)
        if reception == "applied":
            (self._touched_partners if report else self._touched_cases).add(event.subject)
        if reception == "conflict":
            self._refuse(tp, origin, f"id: {event.ref} is known with other content")
        elif reception == "full":
            self._refuse(tp, origin, f"subject: {event.subject} has as many facts as a case may have")
        else:
            self.tally.add(tp, reception)

    def _is_ours(self, event: AnyEvent) -> bool:
        known = self._locations.tracks if is_report(event) else self._cases.cases
        return event.subject in known or partition_of(event.subject, self._settings.partitions) == self.partition

    def _refuse(self, tp: TP, origin: Origin, reason: str) -> None:
        self._outbox.dead_letter(origin, reason)
        self.tally.add(tp, "dead_lettered")

    # -- what follows ----------------------------------------------------------------------------------------------

    async def _conclude(self, now: int) -> None:
        await self._wake(now)
        inputs = as_inputs(self._positions)
        made_at = {tp.name: self._positions.get(tp.name, 0) for tp in self._location_inputs}
        for partner_id in sorted(self._touched_partners):
            self._outbox.answers(self._locations.answers(partner_id, made_at))
            self._outbox.messages(self._locations.alerts(partner_id, inputs))
        for case_id in sorted(self._touched_cases):
            self._conclude_case(case_id, now, inputs)
        self._residents.touch(self._touched_cases, self._touched_partners)
        self._touched_cases, self._touched_partners = set(), set()
        records = self._outbox.take(self._positions)
        if records:
            for tp, end in (await self._publisher.publish(records)).items():
                self._outputs[tp.name] = end

    def _conclude_case(self, case_id: str, now: int, inputs: str) -> None:
        """Ask what is to be asked; decide, unless an answer is on its way and not late yet (architecture, 3.2)."""
        questions = self._cases.questions(case_id)
        self._outbox.questions(questions)
        if not self._cases.case(case_id).awaits_reading():
            self._answer_awaited.pop(case_id, None)
        elif questions or case_id not in self._answer_awaited:
            self._answer_awaited[case_id] = now + self._settings.reading_wait
        awaited = self._answer_awaited.get(case_id, 0)
        if awaited > now:
            self._wakes.set(case_id, awaited)
            return
        decided = self._cases.decide(case_id, now, inputs)
        self._outbox.messages(decided.messages)
        self._wakes.set(case_id, decided.next_deadline)

    async def _wake(self, now: int) -> None:
        """Touch the cases whose time has come, those that only the store remembers included."""
        due = set(self._wakes.due(now))
        if now - self._store_looked_at >= STORE_LOOK_EVERY_US:
            self._store_looked_at = now
            stored = await self._store.due(now, DUE_PER_LOOK_MAX)
            due.update(case_id for case_id in stored if case_id not in self._cases.cases)
        if due:
            await self._residents.load(due, ())
            self._touched_cases |= due

    async def _take_as_said(self, emitted: Emitted) -> None:
        """Fold what was emitted since the checkpoint into the cases that it is about."""
        await self._residents.load(emitted.messages.keys(), ())
        for case_id, messages in emitted.messages.items():
            for message in messages:
                self._cases.case(case_id).sent.record(message)
        self._residents.touch(emitted.messages.keys(), ())
        self._locations.said |= emitted.alert_ids
        self._refused_before = emitted.refused
        raise_to(self._outputs, emitted.outputs)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    async def _save_if_due(self) -> None:
        if self._clock.now_us() - self._saved_at < self._settings.checkpoint_interval:
            return
        if self._saving is not None and not self._saving.done():
            return
        await self._saving_done()
        self._saved_at = self._clock.now_us()
        if self._residents.dirty or self._behind():
            self._saving = asyncio.create_task(self._save(), name=f"checkpoint-{self.partition}")

    def _behind(self) -> list[TP]:
        return [tp for tp in self._inputs if self._positions.get(tp.name, 0) > self.committable.get(tp, 0)]

    async def _save(self) -> None:
        """Write everything that changed since the last checkpoint, with where it stands, in one atomic step.

        What to write is packed before the first await, so the steps that go on meanwhile are not in it.
        """
        saved = Saved(dict(self._positions), dict(self._outputs), self.tally.copy())
        blobs, case_ids = self._residents.pack()
        deadlines: Mapping[str, int | None] = {case_id: self._wakes.at(case_id) for case_id in case_ids}
        while True:
            try:
                await self._store.save(saved, blobs, deadlines)
                break
            except Unavailable:
                await asyncio.sleep(SAVE_AGAIN_AFTER_S)
        self.committable.update({tp: saved.inputs[tp.name] for tp in self._inputs if tp.name in saved.inputs})
        self._residents.trim(self._settings.residents_max)

    async def _saving_done(self) -> None:
        if self._saving is not None:
            await self._saving
            self._saving = None


def _concerned(taken: Sequence[Taken]) -> tuple[set[str], set[str]]:
    """Return the ids of the cases and of the partners that records are about."""
    cases: set[str] = set()
    partners: set[str] = set()
    for each in taken:
        content = each.content
        if isinstance(content, Moment):
            partners.add(content.partner_id)
        elif isinstance(content, Reading):
            cases.add(content.moment.case_id)
        elif not isinstance(content, Unacceptable):
            (partners if is_report(content) else cases).add(content.subject)
    return cases, partners
