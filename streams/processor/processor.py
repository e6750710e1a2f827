"""What a worker does with the records of one partition number: both agents, what they hold, what they say.

Events, questions and answers go to the agents; what follows goes to the outbox; cases and tracks are in memory while
they are needed and in the store otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agents.case.case import NO_LONGER_KEPT, rejection_reason
from agents.case_agent import CaseAgent, CaseUpdate
from agents.location_agent import LocationAgent
from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.codec.limits import Limits
from schemas.errors import Fatal, InvalidMessage
from schemas.events import AnyEvent, Event
from schemas.policy.model import PolicySet
from schemas.topics import Topics
from streams.processor.dead_letter_index import DeadLetterIndex
from streams.processor.decoder import DecodedRecord, Origin, RecordDecoder, is_report, origin, partition_of
from streams.processor.dispositions import Dispositions
from streams.processor.emitted_outputs import EmittedOutputs
from streams.processor.forward_deduplication import ForwardDeduplication
from streams.processor.outbox import Outbox
from streams.processor.refusal_limit import RefusalLimits, Refusals
from streams.processor.retention import Retention, RetentionRules
from streams.processor.state_cache import CASE, PARTNER, StateCache, readable
from streams.processor.state_size import StateSize
from streams.runtime.ports import TP, Batches, Changes, Incoming, Outgoing, Store, Stored
from streams.runtime.positions import format_inputs
from streams.runtime.timers import TimerQueue

STORE_LOOK_EVERY_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorSettings:
    """What the work of all partition numbers shares; `answer_wait` in microseconds.

    `dead_letter_bytes_max` is how large a dead letter may be, its key included.
    """

    topics: Topics
    partitions: int
    policies: PolicySet
    limits: Limits
    facts_per_case_max: int
    cached_cases_max: int
    answer_wait: int
    refusal_limits: RefusalLimits = field(default_factory=RefusalLimits)
    retention: RetentionRules = field(default_factory=RetentionRules)
    dead_letter_bytes_max: int = 1_000_000


class SopProcessor:
    """The cases and partners of one partition number (see `streams.runtime.ports.Processor`)."""

    def __init__(self, partition: int, settings: ProcessorSettings, store: Store) -> None:
        """Take the partition number, and the store behind what is not in memory."""
        self.dispositions = Dispositions()
        self._partition = partition
        self._settings = settings
        self._store = store
        self._cases = CaseAgent(settings.policies, facts_max=settings.facts_per_case_max)
        self._locations = LocationAgent(settings.policies)
        self._cache = StateCache(self._cases.cases, self._locations.tracks, store)
        self._decoder = RecordDecoder(settings.topics, settings.limits)
        self._outbox = Outbox(settings.topics, partition, settings.partitions, settings.dead_letter_bytes_max)
        self._location_inputs = [
            TP(topic, partition).name for topic in (settings.topics.locations, settings.topics.partners)
        ]
        self._emitted = EmittedOutputs(settings.topics)
        self._dead_letters = self._emitted.dead_letters
        self._refusals = Refusals(settings.refusal_limits)
        self._forwards = ForwardDeduplication()
        self._retention = Retention(settings.retention, store)
        self._kept: Mapping[str, ForwardDeduplication | DeadLetterIndex | Refusals | Retention] = {
            "arrivals": self._forwards,
            "letters": self._dead_letters,
            "refusals": self._refusals,
            "retention": self._retention,
        }
        """What checkpoints keep beside cases and tracks."""
        self._timers = TimerQueue()
        self._touched_cases: set[str] = set()
        self._touched_partners: set[str] = set()
        self._departed: set[str] = set()
        """Cases in memory that are no longer kept."""
        self._aside: set[str] = set()
        self._answer_awaited: dict[str, int] = {}
        self._store_looked_at = 0
        self._too_late = 0

    # -- recovery ------------------------------------------------------------------------------------------------------

    async def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from the counts of a checkpoint, and from what it kept."""
        self.dispositions = Dispositions(counts)
        for key, blob in (await self._store.load(list(self._kept))).items():
            with readable(key):
                self._kept[key].load(blob)

    def restore_output(self, topic: str, record: Stored, former: Collection[str] = ()) -> Mapping[str, int]:
        """Take a record emitted since the checkpoint; return the input positions it was decided at."""
        return self._emitted.take(topic, record.value, former) if record.value is not None else {}

    async def apply_restored(self) -> None:
        """Let the cases know what was said about them, of what was recalled since this was called last."""
        await self._load(self._emitted.messages, ())
        if left := self._departed & self._emitted.messages.keys():
            told = "no longer kept in the checkpoint, but decided since: Redis is back at what had been replaced"
            raise Fatal(f"{CASE}{min(left)}: {told}; empty it, and the state is made again from Kafka")
        for case_id, messages in self._emitted.messages.items():
            for message in messages:
                self._cases.case(case_id).emitted.record(message)
        self._locations.emitted_alert_ids |= self._emitted.alert_ids
        self._cache.touch(self._emitted.messages, ())
        self._cache.spill(self._settings.cached_cases_max, self._touched_cases, self._touched_partners)
        self._emitted.messages.clear()

    def forget_positions(self, topics: Collection[str]) -> None:
        """Forget which records of topics were met where: they were deleted and created again."""
        self._dead_letters.forget(topics)
        self._forwards.forget(topics)

    # -- taking in -----------------------------------------------------------------------------------------------------

    async def process(self, batches: Batches, now: int) -> None:
        """Decode records, as of now, and hand them to the agents; what cannot be accepted becomes a dead letter."""
        if self._dead_letters:
            batches = [(tp, self._not_refused(tp, records)) for tp, records in batches]
        taken = [self._decoder.read(tp, record, now) for tp, records in batches for record in records]
        await self._load(*_concerned(taken))
        for each in taken:
            self._take(each)

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Have a record go to the dead letters without a look at what it holds, unless it is there."""
        known = self._dead_letters.met((tp.topic, tp.partition, record.offset))
        if known is not None:
            self._count_refused(tp, origin(tp, record), known)
        else:
            self._refuse(tp, origin(tp, record), reason)

    def _not_refused(self, tp: TP, records: Sequence[Incoming]) -> Sequence[Incoming]:
        """Count what is in the dead letters already; return the other records."""
        others: list[Incoming] = []
        for record in records:
            known = self._dead_letters.met((tp.topic, tp.partition, record.offset))
            if known is not None:
                self._count_refused(tp, origin(tp, record), known)
            else:
                others.append(record)
        return others

    def _take(self, taken: DecodedRecord) -> None:
        content = taken.content
        if taken.forwarded_from is not None and self._forwards.is_repeated(taken.tp.topic, taken.forwarded_from):
            self.dispositions.add(taken.tp, "duplicate")
        elif self._dead_letters and (known := self._dead_letters.met(taken.origin.place)) is not None:
            self._count_refused(taken.tp, taken.origin, known)
        elif isinstance(content, Event):
            self._take_event(taken, content)
        elif isinstance(content, InvalidMessage):
            self._refuse(taken.tp, taken.origin, content.reason)
        elif isinstance(content, PresenceQuery):
            self._locations.query(content, taken.origin.timestamp_us)
            self._retention.heard_of(PARTNER, content.partner_id)
            self._touched_partners.add(content.partner_id)
            self.dispositions.add(taken.tp, "applied")
        else:
            if self._cases.apply_answer(content):
                self._retention.heard_of(CASE, content.query.case_id)
                self._touched_cases.add(content.query.case_id)
            self.dispositions.add(taken.tp, "applied")

    def _take_event(self, taken: DecodedRecord, event: AnyEvent) -> None:
        tp, subject, report = taken.tp, event.subject, is_report(event)
        known = self._locations.tracks if report else self._cases.cases
        if subject not in known and partition_of(subject, self._settings.partitions) != self._partition:
            self._outbox.forward(taken.origin, event)
            self.dispositions.add(tp, "forwarded")
            return
        reception = self._locations.receive(event) if report else self._cases.receive(event)
        match reception:
            case "conflict" | "full" | "departed":
                self._refuse(tp, taken.origin, rejection_reason(event, reception))
            case "applied" | "duplicate":
                self._retention.heard_of(PARTNER if report else CASE, subject)
                if reception == "applied":
                    (self._touched_partners if report else self._touched_cases).add(subject)
                self.dispositions.add(tp, reception)

    def _refuse(self, tp: TP, origin: Origin, reason: str) -> None:
        self._outbox.dead_letter(origin, reason)
        self._count_refused(tp, origin, reason)

    def _count_refused(self, tp: TP, origin: Origin, reason: str) -> None:
        """Count a refused record; what comes too late for its case says nothing against who sends it."""
        self.dispositions.add(tp, "dead_lettered")
        if reason != NO_LONGER_KEPT:
            self._refusals.note(tp, self.dispositions.consumed(tp), origin.name)

    # -- what follows --------------------------------------------------------------------------------------------------

    def defer(self) -> list[str]:
        """Return what was touched as names: `case:` or `partner:` and the id."""
        names = [CASE + case_id for case_id in sorted(self._touched_cases)]
        names += [PARTNER + partner_id for partner_id in sorted(self._touched_partners)]
        self._settle()
        return names

    async def due(self, now: int, limit: int) -> list[str]:
        """Return the names of cases whose time has come, of those that only the store remembers too."""
        due = set(self._timers.due(now, limit))
        if now - self._store_looked_at >= STORE_LOOK_EVERY_US:
            self._store_looked_at = now
            stored = await self._store.due(now, limit)
            due.update(case_id for case_id in stored if case_id not in self._cases.cases)
        return [name for case_id in sorted(due) if (name := CASE + case_id) not in self._aside]

    async def expired(self, now: int, limit: int) -> list[str]:
        """Return the names of cases and partners that may leave."""
        return [name for name in await self._retention.expired(now, limit) if name not in self._aside]

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        """Answer and decide what was touched or is named; return all that is to be published."""
        await self._touch(names)
        inputs = format_inputs(positions)
        made_at = {name: positions.get(name, 0) for name in self._location_inputs}
        for partner_id in self._without_quarantined(PARTNER, self._touched_partners):
            answers = self._locations.new_answers(partner_id, made_at)
            self._too_late += sum(each.too_late for each in answers)
            self._outbox.answers(answers)
            self._outbox.messages(PARTNER + partner_id, self._locations.new_alerts(partner_id, inputs))
            self._retain_track(partner_id, now)
        for case_id in self._without_quarantined(CASE, self._touched_cases):
            self._evaluate_case(case_id, now, inputs)
        self._settle()
        return self._outbox.take()

    def _settle(self) -> None:
        """Note that what was touched has changed; make room for what is touched next."""
        self._cache.touch(self._touched_cases, self._touched_partners)
        self._touched_cases, self._touched_partners = set(), set()
        self._cache.spill(self._settings.cached_cases_max, (), ())

    def _evaluate_case(self, case_id: str, now: int, inputs: str) -> None:
        """Ask what is to be asked; decide, unless an answer is on its way and not late yet (architecture, 3.2)."""
        if self._cases.case(case_id).is_departed:
            self._remember(case_id, now)
            return
        presence_queries = self._cases.new_presence_queries(case_id)
        self._outbox.presence_queries(presence_queries)
        if not self._cases.case(case_id).awaits_answer():
            self._answer_awaited.pop(case_id, None)
        elif presence_queries or case_id not in self._answer_awaited:
            self._answer_awaited[case_id] = now + self._settings.answer_wait
        awaited = self._answer_awaited.get(case_id, 0)
        if awaited > now:
            self._timers.set(case_id, awaited)
            return
        decided = self._cases.decide(case_id, now, inputs)
        self._outbox.messages(CASE + case_id, decided.messages)
        self._timers.set(case_id, decided.next_deadline)
        self._retain_case(case_id, decided, now)

    # -- what leaves ---------------------------------------------------------------------------------------------------

    def _retain_case(self, case_id: str, decided: CaseUpdate, now: int) -> None:
        """Keep a case until it is settled and old, and nothing more was heard of it (surfaces, 4.9)."""
        key, rules = CASE + case_id, self._retention.rules
        settled_at = None if decided.next_deadline is not None else self._cases.settled_at(case_id)
        if settled_at is None:
            self._retention.keep(key)
        elif decided.messages or not self._retention.is_over(key, settled_at + rules.case, now):
            self._retention.keep_until(key, settled_at + rules.case, now, rules.case)
        else:
            self._cases.case(case_id).depart()
            self._departed.add(case_id)
            self._retention.case_left(key, now)

    def _remember(self, case_id: str, now: int) -> None:
        """Leave what remains of a departed case as it is, or let go of that too."""
        self._touched_cases.discard(case_id)
        key = CASE + case_id
        if self._retention.is_over(key, self._cases.case(case_id).decided_at + self._retention.rules.memory, now):
            self._cache.remove_case(case_id)
            self._departed.discard(case_id)
            self._retention.case_forgotten(key)

    def _retain_track(self, partner_id: str, now: int) -> None:
        """Keep a track for as long as its policy says, what remains of it for as long as what remains of a case."""
        key, track, memory = PARTNER + partner_id, self._locations.track(partner_id), self._retention.rules.memory
        is_departed = track.is_empty and bool(track.emitted_alerts)
        until = track.latest + memory if is_departed else self._locations.kept_until(partner_id)
        if not self._retention.is_over(key, until, now):
            self._retention.keep_until(key, until, now, until - track.latest)
            return
        if is_departed:
            self._retention.partner_forgotten(key)
        else:
            remains = self._locations.depart(partner_id)
            self._retention.partner_left(key, track.latest + memory if remains else None)
            if remains:
                return
        self._cache.remove_track(partner_id)
        self._touched_partners.discard(partner_id)

    def quarantine(self, name: str) -> None:
        """Decide a case, or answer for a partner, no more; facts are added as ever."""
        self._aside.add(name)
        if name.startswith(CASE):
            case_id = name.removeprefix(CASE)
            self._timers.set(case_id, None)
            if case_id in self._cases.cases:
                self._cache.touch([case_id], ())

    def _without_quarantined(self, kind: str, ids: Collection[str]) -> list[str]:
        return sorted(each for each in ids if kind + each not in self._aside) if self._aside else sorted(ids)

    async def _touch(self, names: Sequence[str]) -> None:
        if names:
            cases = {name.removeprefix(CASE) for name in names if name.startswith(CASE)}
            partners = {name.removeprefix(PARTNER) for name in names if name.startswith(PARTNER)}
            await self._load(cases, partners)
            self._touched_cases |= cases & self._cases.cases.keys()
            self._touched_partners |= partners & self._locations.tracks.keys()

    async def _load(self, case_ids: Collection[str], partner_ids: Collection[str]) -> None:
        """Bring in what is concerned; a case that was not here is looked at anew, to know when it is due."""
        loaded = await self._cache.load(case_ids, partner_ids)
        departed = {case_id for case_id in loaded if self._cases.case(case_id).is_departed}
        self._departed |= departed
        self._touched_cases.update(each for each in loaded if each not in departed)

    def state_size(self) -> StateSize:
        """Return what is in memory, for whoever watches."""
        return StateSize(
            cases=len(self._cases.cases),
            partners=len(self._locations.tracks),
            deadlines=len(self._timers),
            queries_too_late=self._too_late,
            cases_departed=self._retention.cases_departed,
            departed_cases=self._retention.departed_cases,
            partners_departed=self._retention.partners_departed,
        )

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what became of the records taken, by `topic-partition`."""
        return self.dispositions.copy()

    @property
    def changed(self) -> bool:
        """Whether `freeze` has anything to return."""
        return self._cache.changed or any(each.changed for each in self._kept.values())

    def freeze(self) -> Changes:
        """Return the cases and tracks that changed, as they are now, and when which case is to be looked at again."""
        blobs: dict[str, bytes | None] = {}
        case_ids = self._cache.freeze(blobs)
        for key, each in self._kept.items():
            if each.changed:
                each.changed = False
                blobs[key] = each.dump()
        deadlines = {case_id: self._timers.get(case_id) for case_id in case_ids}
        return Changes(blobs, deadlines, self._retention.freeze())

    def pack(self, count: int) -> bool:
        """Pack so many more cases and tracks of what is frozen; return whether all is packed."""
        return self._cache.pack(count)

    def mark_saved(self) -> None:
        """Drop what is saved and too many to keep in memory; when it is due the store knows."""
        self._retention.mark_saved()
        for case_id in self._cache.trim(self._settings.cached_cases_max, self._departed):
            self._timers.set(case_id, None)
        self._departed &= self._cases.cases.keys()


def _concerned(taken: Sequence[DecodedRecord]) -> tuple[set[str], set[str]]:
    """Return the ids of the cases and of the partners that records are about."""
    cases: set[str] = set()
    partners: set[str] = set()
    for each in taken:
        content = each.content
        if isinstance(content, Event):
            (partners if is_report(content) else cases).add(content.subject)
        elif isinstance(content, PresenceQuery):
            partners.add(content.partner_id)
        elif isinstance(content, PresenceAnswer):
            cases.add(content.query.case_id)
    return cases, partners
