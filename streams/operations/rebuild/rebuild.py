"""Rebuilds the state of all partition numbers from Kafka, after partitions were added to the topics.

It runs offline: every owner is fenced before anything is read. It decides nothing. Each number gets a checkpoint with
its cases, partners and watches as the last owners knew them, wherever their records are. All cases in it are due, so
the next owner emits what is still to be emitted.

Until a number is done, its checkpoint has a layout (`UNFINISHED`) from which no worker resumes. A record on
`internal.progress` (`REBUILT_KEY`) stays for good: a worker without a checkpoint learns from it that its own partitions
do not contain all of its state.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import structs

from schemas.errors import Fatal
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.memory.store import MemoryState, MemoryStore
from streams.operations.rebuild.kafka_history import (
    KafkaHistory,
    LastOwners,
    PastRebuilds,
    RebuildRecord,
    Records,
    read_last_owners,
    read_rebuild_record,
)
from streams.processor.decoder import partition_of
from streams.processor.processor import SopProcessor
from streams.processor.settings import ProcessorSettings
from streams.processor.subject import Subject, Subjects
from streams.runtime.hanging_transactions import abort_hanging_transactions
from streams.runtime.layout import UNFINISHED, with_new_ids, without_id
from streams.runtime.missing_records import forgotten_count, refuse_missing, refuse_truncated
from streams.runtime.ports import TP, Checkpoint, Layout, Outgoing, OutputLog, Publisher, ReplaceableStore
from streams.runtime.positions import advance_to
from streams.runtime.progress import (
    NO_PROGRESS,
    PROGRESS_KEY,
    REBUILT_KEY,
    Progress,
    count_emitted,
    latest_progress,
    pack_progress,
)
from streams.runtime.settings import TaskSettings

RECORDS_PER_TRANSACTION: Final = 5000


class Rebuild:
    """A rebuild of the state of a group without members.

    The settings are those that the workers will have; publishers and stores are by partition number.
    """

    def __init__(
        self,
        topics: Topics,
        task_settings: TaskSettings,
        processor_settings: ProcessorSettings,
        *,
        log: OutputLog,
        publishers: Sequence[Publisher],
        stores: Sequence[ReplaceableStore],
    ) -> None:
        self._topics, self._settings, self._processor_settings = topics, task_settings, processor_settings
        self._log, self._publishers, self._stores = log, publishers, stores
        self._numbers = range(len(publishers))

    async def run(self, on_rebuilt: Callable[[int, int, int], None]) -> None:
        """Rebuild all numbers; call `on_rebuilt` after each, with the number of its cases and of its partners.

        Raises `Fatal` if input records that decisions rest on, or outputs, are gone, and if a worker was started.
        """
        for number, publisher in enumerate(self._publishers):
            await publisher.start()
            settings = self._settings
            own = self._tps(number, *settings.output_topics, settings.latest_topic, settings.progress_topic)
            internal = [tp for each in self._numbers for tp in self._tps(each, *settings.internal_topics)]
            hanging = await self._log.hanging_transactions([*own, *internal])
            await abort_hanging_transactions(publisher, self._log, own, hanging, settings.transaction_timeout_s)
        latest = [await latest_progress(self._log, TP(self._topics.progress, number)) for number in self._numbers]
        progress = [NO_PROGRESS if each is None else each.progress for each in latest]
        first_offsets = await self._first_offsets(progress)
        progress = [await self._without_lost_outputs(number, each) for number, each in enumerate(progress)]
        records = [await read_rebuild_record(self._log, TP(self._topics.progress, number)) for number in self._numbers]
        past_rebuilds = PastRebuilds(records)
        for number, each in enumerate(records):
            ends = await self._ends(self._tps(number, *self._settings.output_topics, self._topics.cases))
            await self._begin(number, RebuildRecord({**each.ends, past_rebuilds.last + 1: ends}))
        last_owners = await read_last_owners(self._log, self._topics, progress, past_rebuilds)
        now = max(each.now for each in progress)
        for number in self._numbers:
            subjects = await self._rebuild(number, last_owners, first_offsets, now)
            on_rebuilt(number, len(subjects.cases), len(subjects.partners))

    async def stop(self) -> None:
        """Disconnect the publishers."""
        for publisher in self._publishers:
            await publisher.stop()

    async def _first_offsets(self, progress: Sequence[Progress]) -> Mapping[str, int]:
        """Return the first offset of each input partition that the rebuilt state is made from.

        Raises `Fatal` if decisions rest on records that are gone.
        """
        first_offsets: dict[str, int] = {}
        positions: dict[str, int] = {}
        for each in progress:
            layout = without_id(each.layout, self._settings.latest_topic)
            if layout is not None and (others := with_new_ids(layout, self._settings.layout)):
                raise Fatal(
                    f"{', '.join(sorted(others))}: deleted and created again, so what was read there is unknown"
                )
            first_offsets.update(each.first_offsets)
            positions.update(each.positions)
        inputs = [tp for number in self._numbers for tp in self._tps(number, *self._settings.input_topics)]
        bounds = {tp.name: found for tp, found in (await self._log.bounds(inputs)).items()}
        for name, (_, end) in bounds.items():
            refuse_truncated(name, positions.get(name, 0), end)
        earliest = {name: first for name, (first, _) in bounds.items()}
        required = [tp.name for tp in inputs if tp.topic in self._settings.required_topics and tp.name in positions]
        accepts = self._settings.accepts_trimmed
        refuse_missing(required, dict.fromkeys(required, 0) | first_offsets, earliest, positions, accepts=accepts)
        advance_to(first_offsets, {name: min(earliest[name], at) for name, at in positions.items() if name in earliest})
        return first_offsets

    async def _without_lost_outputs(self, number: int, progress: Progress) -> Progress:
        """Return progress that does not count the outputs that are gone; raise `Fatal` unless that is accepted."""
        emitted, skipped = dict(progress.emitted_counts), dict(progress.skipped)
        for tp, (earliest, _) in (await self._log.bounds(self._tps(number, *self._settings.output_topics))).items():
            if not earliest:
                continue
            found = sum([len(records) async for records in self._log.read(tp, 0)])
            known = found + skipped.get(tp.name, 0)
            missing = emitted.get(tp.name, 0) - known
            if lost := forgotten_count(tp.name, 0, earliest, missing, accepts=self._settings.accepts_trimmed):
                skipped[tp.name] = skipped.get(tp.name, 0) + lost
            emitted[tp.name] = known + lost
        return structs.replace(progress, emitted_counts=emitted, skipped=skipped)

    async def _begin(self, number: int, rebuild: RebuildRecord) -> None:
        """Publish the record of this rebuild, and mark the checkpoint as unfinished."""
        record = Outgoing(self._topics.progress, number, REBUILT_KEY, msgspec.json.encode(rebuild))
        await self._publishers[number].publish([record])
        await self._stores[number].claim()
        await self._stores[number].clear(Checkpoint({}, {}, {}, layout=Layout(UNFINISHED, self._settings.layout.ids)))

    async def _rebuild(
        self, number: int, last_owners: LastOwners, first_offsets: Mapping[str, int], now: int
    ) -> Subjects:
        """Rebuild one number; return its cases and partners."""
        processor = SopProcessor(number, self._processor_settings, store := MemoryStore(MemoryState()))
        await store.claim()
        history = KafkaHistory(number, self._topics, self._processor_settings.limits, self._log, last_owners)
        await self._fill_latest(number, processor, history)
        unpublished = await _restore(processor, history, self._topics, now)
        changes = processor.freeze()
        processor.pack(sys.maxsize)
        subjects = Subjects.parse(changes.blobs)
        progress = await self._next_progress(number, last_owners, first_offsets, now)
        emitted = count_emitted(progress.emitted_counts, unpublished, self._settings.output_topics)
        progress = structs.replace(progress, emitted_counts=emitted)
        ends = await self._publish(number, progress, unpublished)
        fields = structs.asdict(progress)
        checkpoint = Checkpoint(inputs=fields.pop("positions"), outputs=ends, **fields)
        all_due = structs.replace(changes, deadlines=dict.fromkeys(subjects.cases, now))
        await self._stores[number].save(checkpoint, all_due)
        return subjects

    async def _fill_latest(self, number: int, processor: SopProcessor, history: KafkaHistory) -> None:
        """Publish the latest decisions of the number's cases, some of which were in other partitions so far."""
        for topic in self._topics.decisions:
            outgoing = (processor.latest_decision(record) for record in await history.outputs(topic))
            latest = list({each.key: each for each in outgoing}.values())
            for first in range(0, len(latest), RECORDS_PER_TRANSACTION):
                await self._publishers[number].publish(latest[first : first + RECORDS_PER_TRANSACTION])

    async def _next_progress(
        self, number: int, last_owners: LastOwners, first_offsets: Mapping[str, int], now: int
    ) -> Progress:
        """Return where the number's next owner starts: what was forwarded to it before is part of the state."""
        last = last_owners.progress[number]
        positions, consumed = dict(last.positions), dict(last.consumed)
        counts = {name: dict(dispositions) for name, dispositions in last.counts.items()}
        for dispositions in counts.values():
            if waiting := dispositions.pop("waiting", 0):  # for the store that is being replaced
                dispositions["applied"] = dispositions.get("applied", 0) + waiting
        forwarding = self._tps(number, self._topics.cases, self._topics.partners, self._topics.watches)
        for tp, (_, end) in (await self._log.bounds(forwarding)).items():
            async for records in self._log.read(tp, positions.get(tp.name, 0)):
                consumed[tp.name] = consumed.get(tp.name, 0) + len(records)
                dispositions = counts.setdefault(tp.name, {})
                dispositions["forwarded"] = dispositions.get("forwarded", 0) + len(records)
            advance_to(positions, {tp.name: end})
        quarantined = {
            name: each
            for progress in last_owners.progress
            for name, each in progress.quarantined.items()
            if partition_of(Subject.parse(name).id, len(self._numbers)) == number
        }
        return structs.replace(
            last,
            now=now,
            positions=positions,
            consumed=consumed,
            counts=counts,
            quarantined=quarantined,
            first_offsets={name: at for name, at in first_offsets.items() if TP.parse(name).partition == number},
            ended_cleanly=True,
            layout=self._settings.layout,
        )

    async def _publish(self, number: int, progress: Progress, unpublished: Sequence[Outgoing]) -> dict[str, int]:
        """Publish progress with what the last owners did not publish; return where the number's outputs end."""
        record = Outgoing(self._topics.progress, number, PROGRESS_KEY, pack_progress(progress))
        written = await self._publishers[number].publish([*unpublished, record])
        ends = await self._ends(self._tps(number, *self._settings.output_topics, self._topics.progress))
        advance_to(ends, {tp.name: end for tp, end in written.items()})
        return ends

    @staticmethod
    def _tps(number: int, *topics: str) -> list[TP]:
        return [TP(topic, number) for topic in topics]

    async def _ends(self, tps: Sequence[TP]) -> dict[str, int]:
        return {tp.name: end for tp, (_, end) in (await self._log.bounds(tps)).items()}


async def _restore(processor: SopProcessor, history: KafkaHistory, topics: Topics, now: int) -> list[Outgoing]:
    """Bring a number's state to where the last owners were; return what they read but had not published yet."""
    await processor.begin(None)
    for topic in topics.outputs:
        if topic != topics.dead_letters:
            for record in await history.outputs(topic):
                processor.restore_output(topic, record)
    await processor.apply_restored()
    # Queries first: a track keeps the reports that they ask for. Its answers were sent, or will be requested again.
    await _process(processor, history.presence_queries())
    await _process(processor, history.events(topics.locations))
    await _process(processor, history.forwarded_events(topics.partners))
    for tp, record in await history.to_watches():
        await processor.process([(tp, [record])], LATEST_US)
    emitted = await processor.evaluate(now, {}, ())
    unpublished = [each for each in emitted if each.topic in (topics.dead_letters, topics.alerts, topics.watches)]
    for tp, record in await history.answers():
        await processor.process([(tp, [record])], LATEST_US)
    for topic in topics.inputs:
        if topic != topics.locations:
            await _process(processor, history.events(topic), defers=True)
    await _process(processor, history.forwarded_events(topics.cases))
    processor.defer()
    emitted = await processor.evaluate(now, {}, ())
    unpublished += [each for each in emitted if each.topic == topics.dead_letters]
    for letter in history.dead_letters_ahead():
        processor.restore_output(topics.dead_letters, letter)
    return unpublished


async def _process(processor: SopProcessor, batches: AsyncIterator[Records], *, defers: bool = False) -> None:
    async for batch in batches:
        if batch[1]:
            await processor.process([batch], LATEST_US)
        if defers:
            processor.defer()  # makes room in memory
