"""Makes the state of all partition numbers again from Kafka, for topics that have more partitions than before.

Offline: every owner is fenced before anything is read. Nothing is decided here. Each number gets a checkpoint of its
cases and partners as the last owners knew them, wherever their records lie, in which all cases are due: so the next
owner asks and says what is still to be asked and said.

Until a number is done its checkpoint bears a layout (`UNFINISHED`) that no worker goes on from. A record on
`internal.progress` (`REBUILT_KEY`) stays there for good: who finds no checkpoint reads it, and knows that its own
partitions do not tell all of its state.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import structs

from schemas.errors import Fatal
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.memory.store import MemoryState, MemoryStore
from streams.operations.rebuild.eras import Eras, Rebuilt, read_rebuilt
from streams.operations.rebuild.topic_contents import Past, Recorded, Records, past
from streams.processor.decoder import partition_of
from streams.processor.processor import ProcessorSettings, SopProcessor
from streams.processor.subject import Subject, Subjects
from streams.runtime.hanging_transactions import abort_hanging_transactions
from streams.runtime.layout import UNFINISHED
from streams.runtime.missing_records import forgotten_count, refuse_missing, refuse_truncated
from streams.runtime.ports import TP, Checkpoint, Layout, Outgoing, OutputLog, Publisher, ReplaceableStore
from streams.runtime.positions import advance_to
from streams.runtime.progress import PROGRESS_KEY, REBUILT_KEY, Progress, count_emitted, latest_progress, pack_progress
from streams.runtime.settings import TaskSettings

NOTHING_TOLD: Final = Progress(now=0, positions={}, consumed={}, counts={})


class Rebuild:
    """One rebuild of the state of a group that has no members."""

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
        """Take what the workers will be set to, and publishers and stores by partition number."""
        self._topics, self._settings, self._processor_settings = topics, task_settings, processor_settings
        self._log, self._publishers, self._stores = log, publishers, stores

    async def run(self, told: Callable[[int, int, int], None]) -> None:
        """Rebuild number by number; `told` hears of each, with how many cases and partners it has.

        Raises `Fatal` where records are gone that decisions rest on or that say what was decided, and where a worker
        was started meanwhile.
        """
        for number, publisher in enumerate(self._publishers):
            await publisher.start()
            own = [TP(topic, number) for topic in (*self._settings.output_topics, self._settings.progress_topic)]
            await abort_hanging_transactions(
                publisher, self._log, own, self._internal(), self._settings.transaction_timeout_s
            )
        progress = [await self._told(number) for number in range(len(self._publishers))]
        begun = await self._begun(progress)
        progress = [await self._without_forgotten(number, each) for number, each in enumerate(progress)]
        rebuilt = [await read_rebuilt(self._log, TP(self._topics.progress, number)) for number in range(len(progress))]
        eras = Eras(rebuilt)
        for number, each in enumerate(rebuilt):
            await self._begin(number, Rebuilt({**each.ends, eras.last + 1: await self._ends(number)}))
        found = await past(self._log, self._topics, progress, eras)
        now = max(each.now for each in progress)
        for number in range(len(self._publishers)):
            await self._rebuild(number, found, begun, now, told)

    async def _begin(self, number: int, rebuilt: Rebuilt) -> None:
        """Leave word of this rebuild, and have no worker go on from what the store holds."""
        record = Outgoing(self._topics.progress, number, REBUILT_KEY, msgspec.json.encode(rebuilt))
        await self._publishers[number].publish([record])
        await self._stores[number].claim()
        await self._stores[number].clear(Checkpoint({}, {}, {}, layout=Layout(UNFINISHED, self._settings.layout.ids)))

    async def _ends(self, number: int) -> dict[str, int]:
        """Return where the partitions of a number end that hold what is written about its cases."""
        tps = [TP(topic, number) for topic in (*self._settings.output_topics, self._topics.cases)]
        return {tp.name: end for tp, (_, end) in (await self._log.bounds(tps)).items()}

    async def stop(self) -> None:
        """Disconnect the publishers."""
        for publisher in self._publishers:
            await publisher.stop()

    def _internal(self) -> list[TP]:
        return [
            TP(topic, number) for topic in self._settings.internal_topics for number in range(len(self._publishers))
        ]

    async def _told(self, number: int) -> Progress:
        latest = await latest_progress(self._log, TP(self._topics.progress, number))
        return latest.progress if latest is not None else NOTHING_TOLD

    async def _begun(self, progress: Sequence[Progress]) -> Mapping[str, int]:
        """Return from where on the state is made now; refuse to where decisions rest on what is gone."""
        begun: dict[str, int] = {}
        positions: dict[str, int] = {}
        for each in progress:
            self._refuse_recreated(each.layout)
            begun.update(each.first_offsets)
            positions.update(each.positions)
        everywhere = [TP(topic, number) for topic in self._settings.input_topics for number in range(len(progress))]
        bounds = {tp.name: found for tp, found in (await self._log.bounds(everywhere)).items()}
        for name, (_, end) in bounds.items():
            refuse_truncated(name, positions.get(name, 0), end)
        earliest = {name: first for name, (first, _) in bounds.items()}
        vital = [tp.name for tp in everywhere if tp.topic in self._settings.required_topics and tp.name in positions]
        accepts = self._settings.accepts_trimmed
        refuse_missing(vital, dict.fromkeys(vital, 0) | begun, earliest, positions, accepts=accepts)
        advance_to(begun, {name: min(earliest[name], at) for name, at in positions.items() if name in earliest})
        return begun

    async def _without_forgotten(self, number: int, told: Progress) -> Progress:
        """Return what a number told without what it said that is no longer there; refuse to do without it."""
        said, skipped = dict(told.emitted_counts), dict(told.skipped)
        tps = [TP(topic, number) for topic in self._settings.output_topics]
        for tp, (earliest, _) in (await self._log.bounds(tps)).items():
            if not earliest:
                continue
            found = sum([len(records) async for records in self._log.read(tp, 0)])
            known = found + skipped.get(tp.name, 0)
            missing = said.get(tp.name, 0) - known
            if forgotten := forgotten_count(tp.name, 0, earliest, missing, accepts=self._settings.accepts_trimmed):
                skipped[tp.name] = skipped.get(tp.name, 0) + forgotten
            said[tp.name] = known + forgotten
        return structs.replace(told, emitted_counts=said, skipped=skipped)

    def _refuse_recreated(self, made_under: Layout | None) -> None:
        present = self._settings.layout.ids
        ids = made_under.ids if made_under is not None else {}
        if others := sorted(topic for topic, id_ in ids.items() if present.get(topic, id_) != id_):
            raise Fatal(f"{', '.join(others)}: deleted and created again, so it is not known what of it was read")

    async def _rebuild(
        self, number: int, found: Past, begun: Mapping[str, int], now: int, told: Callable[[int, int, int], None]
    ) -> None:
        work = SopProcessor(number, self._processor_settings, store := MemoryStore(MemoryState()))
        await store.claim()
        recorded = Recorded(number, self._topics, self._processor_settings.limits, self._log, found)
        unsaid = await _fold(work, recorded, self._topics, now)
        changes = work.freeze()
        work.pack(sys.maxsize)
        subjects = Subjects.parse(changes.blobs)
        progress = await self._progress(number, found, begun, now)
        progress = structs.replace(
            progress, emitted_counts=count_emitted(progress.emitted_counts, unsaid, self._settings.output_topics)
        )
        ends = await self._tell(number, progress, unsaid)
        await self._stores[number].save(
            Checkpoint(
                inputs=dict(progress.positions),
                outputs=ends,
                counts={name: dict(dispositions) for name, dispositions in progress.counts.items()},
                consumed=dict(progress.consumed),
                quarantined=dict(progress.quarantined),
                first_offsets=dict(progress.first_offsets),
                ended_cleanly=True,
                now=now,
                skipped=dict(progress.skipped),
                emitted_counts=dict(progress.emitted_counts),
                recreated_topics={topic: dict(ends) for topic, ends in progress.recreated_topics.items()},
                layout=self._settings.layout,
            ),
            changes.blobs,
            dict.fromkeys(subjects.cases, now),
            changes.expiries,
        )
        told(number, len(subjects.cases), len(subjects.partners))

    async def _progress(self, number: int, found: Past, begun: Mapping[str, int], now: int) -> Progress:
        """Return where the number's next owner begins: what was sent on to it before is part of the state."""
        last = found.told[number]
        positions, consumed = dict(last.positions), dict(last.consumed)
        counts = {name: dict(dispositions) for name, dispositions in last.counts.items()}
        derived = [TP(self._topics.cases, number), TP(self._topics.partners, number)]
        for tp, (_, end) in (await self._log.bounds(derived)).items():
            async for records in self._log.read(tp, positions.get(tp.name, 0)):
                consumed[tp.name] = consumed.get(tp.name, 0) + len(records)
                dispositions = counts.setdefault(tp.name, {})
                dispositions["forwarded"] = dispositions.get("forwarded", 0) + len(records)
            advance_to(positions, {tp.name: end})
        partitions = len(found.told)
        aside = {
            name: each
            for progress in found.told
            for name, each in progress.quarantined.items()
            if partition_of(Subject.parse(name).id, partitions) == number
        }
        return structs.replace(
            last,
            now=now,
            positions=positions,
            consumed=consumed,
            counts=counts,
            quarantined=aside,
            first_offsets={name: at for name, at in begun.items() if TP.parse(name).partition == number},
            ended_cleanly=True,
            layout=self._settings.layout,
        )

    async def _tell(self, number: int, progress: Progress, unsaid: Sequence[Outgoing] = ()) -> dict[str, int]:
        """Publish progress, with what was still to be said; return where the number's outputs end."""
        record = Outgoing(self._topics.progress, number, PROGRESS_KEY, pack_progress(progress))
        written = await self._publishers[number].publish([*unsaid, record])
        own = [TP(topic, number) for topic in (*self._settings.output_topics, self._topics.progress)]
        ends = {tp.name: end for tp, (_, end) in (await self._log.bounds(own)).items()}
        advance_to(ends, {tp.name: end for tp, end in written.items()})
        return ends


async def _fold(work: SopProcessor, recorded: Recorded, topics: Topics, now: int) -> list[Outgoing]:
    """Bring the state of a number to where the last owners were; return what they read and did not come to say."""
    await work.begin({})
    for topic in topics.outputs:
        if topic != topics.dead_letters:
            for record in await recorded.said(topic):
                work.restore_output(topic, record)
    await work.apply_restored()
    await _fold_partners(work, recorded, topics)
    unsaid = [each for each in await work.evaluate(now, {}, ()) if each.topic in (topics.dead_letters, topics.alerts)]
    await _fold_cases(work, recorded, topics)
    unsaid += [each for each in await work.evaluate(now, {}, ()) if each.topic == topics.dead_letters]
    for letter in recorded.letters_ahead():
        work.restore_output(topics.dead_letters, letter)
    return unsaid


async def _fold_partners(work: SopProcessor, recorded: Recorded, topics: Topics) -> None:
    """Take questions, then reports, which a track keeps for as long as it is asked about them.

    What it answers now was answered, or will be asked again.
    """
    async for batch in recorded.presence_queries():
        await _take(work, batch)
    async for batch in recorded.events(topics.locations):
        await _take(work, batch)
    async for batch in recorded.forwarded_from(topics.partners):
        await _take(work, batch)


async def _fold_cases(work: SopProcessor, recorded: Recorded, topics: Topics) -> None:
    for tp, record in await recorded.answers():
        await _take(work, (tp, [record]))
    for topic in topics.inputs:
        if topic != topics.locations:
            async for batch in recorded.events(topic):
                await _take(work, batch)
                work.defer()  # makes room
    async for batch in recorded.forwarded_from(topics.cases):
        await _take(work, batch)
    work.defer()


async def _take(work: SopProcessor, batch: Records) -> None:
    if batch[1]:
        await work.process([batch], LATEST_US)
