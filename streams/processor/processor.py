"""What a worker does with the records of one partition number: decode, apply to the agents, evaluate, emit.

Records become events, presence queries, presence answers and messages to watches. The agents apply them and mark their
cases, partners and watches as dirty. Evaluating what is dirty fills the outbox. Cases, tracks and watches are in memory
while they are needed, otherwise in the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from agents.anomalies.messages import WatchMessage
from agents.anomaly_agent import AnomalyAgent
from agents.case.case import NO_LONGER_KEPT, NOT_ITS_LAST, Case, rejection_reason
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.presence.queries import PresenceQuery
from schemas.errors import InvalidMessage, Unavailable
from schemas.events import AnyEvent, CaseErased, Event
from streams.processor.decoder import (
    DecodedRecord,
    RecordDecoder,
    is_for_partner,
    origin_of,
    partition_of,
    subjects_of,
)
from streams.processor.deduplication import DeadLetterIndex, ForwardDeduplication
from streams.processor.departed import DepartedCases
from streams.processor.dispositions import Dispositions
from streams.processor.emitted_outputs import EmittedOutputs
from streams.processor.evaluator import Evaluator
from streams.processor.outbox import Outbox
from streams.processor.output_counts import OutputCounts
from streams.processor.policies import Policies
from streams.processor.refusal_limit import Refusals
from streams.processor.refusing import Refusing
from streams.processor.retention import Retention
from streams.processor.settings import ProcessorSettings
from streams.processor.state_cache import StateCache, readable
from streams.processor.state_size import StateSize
from streams.processor.stored_names import KEYS
from streams.processor.subject import Subjects
from streams.processor.tracer import Tracer
from streams.processor.waiting import Waiting
from streams.runtime.ports import TP, Batches, Changes, Incoming, Outgoing, Store, Stored
from streams.runtime.positions import format_inputs
from streams.runtime.timers import TimerQueue

STORE_LOOK_EVERY_US = 1_000_000


class SopProcessor:
    """The cases, partners and watches of one partition number (see `streams.runtime.ports.Processor`).

    What it publishes is counted in `counts`, which processors share; `tracer` follows events.
    """

    def __init__(
        self,
        partition: int,
        settings: ProcessorSettings,
        store: Store,
        counts: OutputCounts | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        topics = settings.topics
        self.dispositions = Dispositions()
        self._partition = partition
        self._settings = settings
        self._store = store
        policies = settings.policies.known.policies
        self._cases = CaseAgent(policies, facts_max=settings.facts_per_case_max)
        self._locations = LocationAgent(policies)
        self._anomalies = AnomalyAgent(policies, remembered=settings.retention.memory)
        self._cache = StateCache(self._cases.cases, self._locations.tracks, self._anomalies.watches, store)
        agents = self._cases, self._locations, self._anomalies
        self._policies = Policies(settings.policies, store, self._cache, agents)
        self._decoder = RecordDecoder(topics, settings.limits)
        self._outbox = Outbox(
            topics, partition, settings.partitions, settings.dead_letter_bytes_max, settings.schema_ids
        )
        self._location_inputs = [TP(topic, partition).name for topic in (topics.locations, topics.partners)]
        self._emitted = EmittedOutputs(topics)
        self._dead_letters = self._emitted.dead_letters
        self._refusals = Refusals(settings.refusal_limits)
        self._refusing = Refusing(self._outbox, self._dead_letters, self._refusals, self.dispositions)
        self._forwards = ForwardDeduplication()
        self._retention = Retention(
            settings.retention,
            store,
            cases=self._cases,
            locations=self._locations,
            anomalies=self._anomalies,
            cache=self._cache,
        )
        self._departed = DepartedCases(self._cases, self._retention)
        self._checkpointed: Mapping[str, ForwardDeduplication | DeadLetterIndex | Policies | Refusals | Retention] = {
            "arrivals": self._forwards,
            "letters": self._dead_letters,
            "policies": self._policies,
            "refusals": self._refusals,
            "retention": self._retention,
        }
        """What checkpoints contain besides cases, tracks and watches, by its key in the store."""
        self._waiting = Waiting()
        self._timers = TimerQueue()
        self._dirty = Subjects()
        """What to evaluate next."""
        self._quarantined = Subjects()
        self._tracer = tracer
        self._evaluator = Evaluator(
            self._cases,
            self._locations,
            self._anomalies,
            outbox=self._outbox,
            retention=self._retention,
            timers=self._timers,
            counts=counts or OutputCounts(),
            tracer=tracer,
        )
        self._store_looked_at = 0

    # -- decode --------------------------------------------------------------------------------------------------------

    async def process(self, batches: Batches, now: int) -> None:
        """Decode records as of now and apply them to the agents; refused records become dead letters."""
        decoded: list[DecodedRecord] = []
        for tp, records in batches:
            for record in records:
                if self._dead_letters and self._refusing.is_known(tp, origin_of(tp, record)):
                    continue
                each = self._decoder.decode(tp, record, now)
                # here, since it compares offsets and what waits is applied in another order
                if each.forwarded_from is not None and self._forwards.is_duplicate(tp.topic, each.forwarded_from):
                    self.dispositions.add(tp, "duplicate")
                else:
                    decoded.append(each)
        (about := subjects_of(decoded)).update(self._waiting.subjects)
        ready = self._waiting.hold(decoded, await self._load(about))
        for each in ready:
            self._apply(each, now)
        if self._tracer is not None:
            self._tracer.consumed(ready)

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Send a record to the dead letters without decoding it, unless it is there already."""
        self._refusing.refuse(tp, origin_of(tp, record), reason)

    # -- apply to the agents -------------------------------------------------------------------------------------------

    def _apply(self, decoded: DecodedRecord, now: int) -> None:
        tp, content = decoded.tp, decoded.content
        if self._dead_letters and self._refusing.is_known(tp, decoded.origin):
            return
        if isinstance(content, Event):
            self._apply_event(decoded, content, now)
        elif isinstance(content, InvalidMessage):
            self._refusing.refuse(tp, decoded.origin, content.reason)
        elif isinstance(content, PresenceQuery):
            self._locations.query(content, decoded.origin.timestamp_us)
            self._retention.postpone_track(content.partner_id)
            self._dirty.partners.add(content.partner_id)
            self.dispositions.add(tp, "applied")
        elif isinstance(content, WatchMessage):
            self._anomalies.receive(content)
            self._retention.postpone_watch(content.watch)
            self._dirty.watches.add(content.watch)
            self.dispositions.add(tp, "applied")
        elif isinstance(content, Case):
            self._reopen(decoded, content, now)
        else:
            if self._cases.apply_answer(content):
                self._retention.postpone_case(content.query.case_id)
                self._mark_changed(content.query.case_id, decoded.timestamp_us)
            self.dispositions.add(tp, "applied")

    def _apply_event(self, decoded: DecodedRecord, event: AnyEvent, now: int) -> None:
        tp, subject, for_partner = decoded.tp, event.subject, is_for_partner(event)
        known = self._locations.tracks if for_partner else self._cases.cases
        if subject not in known and partition_of(subject, self._settings.partitions) != self._partition:
            self._outbox.add_forwarded(decoded.origin, event)
            self.dispositions.add(tp, "forwarded")
            return
        if type(event.data) is CaseErased:
            self._dirty.cases.discard(subject)
            self.dispositions.add(tp, "applied" if self._evaluator.erase_case(subject, now) else "duplicate")
            return
        result = self._locations.receive(event) if for_partner else self._cases.receive(event)
        match result:
            case "departed":
                self._departed.hold_fact(decoded)
            case "conflict" | "full":
                self._refusing.refuse(tp, decoded.origin, rejection_reason(event, result))
            case "applied" | "duplicate":
                (self._retention.postpone_track if for_partner else self._retention.postpone_case)(subject)
                if result == "applied" and for_partner:
                    self._dirty.partners.add(subject)
                elif result == "applied":
                    self._mark_changed(subject, decoded.timestamp_us)
                self.dispositions.add(tp, result)

    def _reopen(self, decoded: DecodedRecord, former: Case, now: int) -> None:
        facts = self._departed.reopen(former)
        if facts is None:
            self._refusing.refuse(decoded.tp, decoded.origin, NOT_ITS_LAST)
            return
        self._mark_changed(former.case_id, decoded.timestamp_us)
        self.dispositions.add(decoded.tp, "applied")
        for each in facts:
            self._apply(each, now)

    def _mark_changed(self, case_id: str, timestamp: int | None) -> None:
        self._dirty.cases.add(case_id)
        self._evaluator.await_decision(case_id, timestamp)

    # -- evaluate what is dirty ----------------------------------------------------------------------------------------

    def defer(self) -> list[str]:
        """Return the names of what is dirty and mark it clean; `evaluate` evaluates it when given the names."""
        names = self._dirty.names()
        self._mark_clean()
        return names

    async def due(self, now: int, limit: int) -> list[str]:
        """Return the names of cases, in memory or not, whose deadline has passed or whose policy is another now."""
        due = set(self._timers.due(now, limit))
        with suppress(Unavailable):  # it will return them later
            due.update(await self._policies.cases(now))
        if now - self._store_looked_at >= STORE_LOOK_EVERY_US:
            self._store_looked_at = now
            with suppress(Unavailable):  # it will return them later
                due.update(set(await self._store.due(now, limit)) - self._cases.cases.keys())
        return (Subjects(due) - self._quarantined).names()

    async def expired(self, now: int, limit: int) -> list[str]:
        """Return the names of cases, partners and watches whose retention has passed."""
        with suppress(Unavailable):
            return (await self._retention.expired(now, limit) - self._quarantined).names()
        return []

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        """Answer and decide for what is dirty or named; return the records to publish."""
        for late in self._departed.give_up():
            self._refusing.refuse(late.tp, late.origin, NO_LONGER_KEPT)
        if names or self._waiting.names:
            await self._mark_named(Subjects.parse(names))
        made_at = {name: positions.get(name, 0) for name in self._location_inputs}
        inputs = format_inputs({**positions, **self._policies.positions})
        self._dirty -= self._evaluator.evaluate(self._dirty - self._quarantined, now, inputs, made_at)
        self._mark_clean()
        return self._outbox.drain()

    def mark_published(self, now: int) -> None:
        """Count what was decided, which is acknowledged by now (microseconds)."""
        self._evaluator.mark_published(now)

    def quarantine(self, name: str) -> None:
        """Stop evaluating a case, partner or watch; records are still applied to it."""
        named = Subjects.parse([name])
        self._quarantined.update(named)
        for case_id in named.cases:
            self._timers.set(case_id, None)
        self._cache.mark_dirty(Subjects(named.cases & self._cases.cases.keys()))

    async def _mark_named(self, named: Subjects) -> None:
        """Mark as dirty what is named, or was and waits. What records wait for is dirty when they are applied."""
        named.update(self._waiting.names)
        named -= self._waiting.subjects
        self._waiting.names = await self._load(named)
        self._dirty.update(self._cache.in_memory(named))

    async def _load(self, wanted: Subjects) -> Subjects:
        """Load what is not in memory; return what the store might have but does not give now."""
        try:
            await self._load_all(wanted)
        except Unavailable:
            return self._cache.absent(wanted)
        return Subjects()

    async def _load_all(self, wanted: Subjects) -> None:
        """Load what is not in memory; mark loaded cases dirty, so that evaluation sets their timers again."""
        self._dirty.cases.update(await self._cache.load(wanted))

    def _mark_clean(self) -> None:
        """Pass what is dirty to the cache."""
        dirty, self._dirty = self._dirty, Subjects()
        self._save_later(dirty)

    def _save_later(self, changed: Subjects) -> None:
        """Have the cache save what changed, and make room in memory, except for what is dirty."""
        self._cache.mark_dirty(changed)
        self._cache.pack_dirty(self._settings.cached_cases_max, in_use=self._dirty)

    # -- recovery ------------------------------------------------------------------------------------------------------

    async def begin(self, counts: Mapping[str, Mapping[str, int]] | None) -> None:
        """Resume from a checkpoint, with its counts; None: there is none, and the store is empty."""
        await self._policies.read()
        self.dispositions.restore(counts or {})
        if counts is None:
            self._cache.names.begin()
            self._policies.begin(store_is_empty=True)
            return
        blobs = await self._store.load([*self._checkpointed, *KEYS])
        for key in blobs.keys() & self._checkpointed.keys():
            with readable(key):
                self._checkpointed[key].load(blobs[key])
        for key in (each for each in KEYS if each in blobs):
            with readable(key):
                self._cache.names.load(blobs[key])
        self._policies.begin(store_is_empty=False)

    def restore_output(self, topic: str, record: Stored, recreated: Collection[str] = ()) -> Mapping[str, int]:
        """Read back a record emitted since the checkpoint; return the input positions at which it was decided."""
        return self._emitted.add(topic, record.value, recreated) if record.value is not None else {}

    def latest_decision(self, record: Stored) -> Outgoing:
        """Return a record of a decision topic as one of the topic of latest decisions."""
        return self._outbox.latest_decision(record.value or b"")

    def first_decision_key(self, record: Stored) -> bytes | None:
        """Return the key in the topic of latest decisions of a decision's first revision, None for a later one."""
        return self._outbox.first_decision_key(record.value or b"")

    async def apply_restored(self) -> None:
        """Apply to the agents what was read back since the last call."""
        restored = Subjects(set(self._emitted.messages), watches=set(self._emitted.watch_alerts))
        await self._load_all(restored)
        for case_id in self._cache.departed & restored.cases:
            self._departed.hold_emitted(case_id, self._emitted.messages.pop(case_id))
        self._emitted.restore(self._cases, self._locations, self._anomalies)
        self._save_later(restored)

    def forget_positions(self, topics: Collection[str]) -> None:
        """Forget the offsets seen in topics that were deleted and created again."""
        self._dead_letters.forget(topics)
        self._forwards.forget(topics)

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the dispositions of the records consumed, and how many wait, by `topic-partition`."""
        counts = self.dispositions.copy()
        for name, waiting in self._waiting.counts.items():
            counts.setdefault(name, {})["waiting"] = waiting
        return counts

    def state_size(self) -> StateSize:
        """Return how much state there is."""
        return StateSize(
            cases=len(self._cases.cases),
            partners=len(self._locations.tracks),
            deadlines=len(self._timers),
            waiting=self._waiting.counts.total(),
            queries_too_late=self._evaluator.queries_too_late,
            cases_departed=self._retention.cases_departed,
            departed_cases=self._retention.departed_cases,
            partners_departed=self._retention.partners_departed,
        )

    @property
    def is_waiting(self) -> bool:
        """Whether records or names wait for the store."""
        return bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether so many records wait that no more should be fetched."""
        return self._waiting.is_full

    @property
    def changed(self) -> bool:
        """Whether `freeze` has anything to return."""
        return self._cache.changed or any(each.changed for each in self._checkpointed.values())

    def freeze(self) -> Changes:
        """Return what changed as it is now, with the deadlines of the changed cases and new expiries."""
        blobs: dict[str, bytes | None] = {}
        case_ids = self._cache.freeze(blobs)
        for key, each in self._checkpointed.items():
            if each.changed:
                each.changed = False
                blobs[key] = each.dump()
        deadlines = {case_id: self._timers.get(case_id) for case_id in case_ids}
        return Changes(blobs, deadlines, self._retention.freeze())

    def pack(self, count: int) -> bool:
        """Pack up to `count` more of the frozen objects; return whether all are packed."""
        return self._cache.pack(count)

    def mark_saved(self) -> None:
        """Note that the frozen state is saved, and evict what is not needed; the store has the deadlines."""
        self._retention.mark_saved()
        for case_id in self._cache.evict(self._settings.cached_cases_max):
            self._timers.set(case_id, None)
