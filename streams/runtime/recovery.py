"""Restores what the last owner left: outputs since its checkpoint, how far it had read, its attempt log."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from schemas.errors import Fatal, InvalidMessage
from streams.runtime.health import Health
from streams.runtime.layout import find_recreated, of_other_topics, without_id, without_recreated, without_topics
from streams.runtime.missing_records import forgotten_count, refuse_missing, refuse_truncated, unread_count
from streams.runtime.poison_isolation import ATTEMPT_LOG_KEY, PoisonIsolation, unpack_attempt_log
from streams.runtime.ports import TP, Checkpoint, Layout, OutputLog, Processor, Stored
from streams.runtime.positions import Positions, advance_to
from streams.runtime.progress import (
    LATEST_OUTDATED_KEY,
    NO_PROGRESS,
    PROGRESS_KEY,
    REBUILT_KEY,
    Progress,
    latest_progress,
    progress_in,
    unpack_keys,
)
from streams.runtime.retries import Retries
from streams.runtime.settings import TaskSettings

logger = logging.getLogger("sop.task")


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where a new owner starts; offsets are by `topic-partition`."""

    starts: Mapping[str, int]
    """The next offsets to read, where they are not the earliest."""
    until: Mapping[str, int]
    """The last owner's positions, no further than the end of the log."""
    ends: Mapping[str, int]
    """The present end offsets of the inputs."""
    retried_names: Sequence[str]
    """Names that another version of the worker had quarantined."""
    is_layout_published: bool
    """Whether the latest progress has the present layout of the topics."""
    is_latest_filled: bool
    """Whether the topic of latest decisions has all that there are."""
    removed_keys: Sequence[bytes]
    """The keys to remove there before it is filled."""
    was_latest_wrong: bool
    """Whether only a comparison has shown that it does not hold what the decision topics do, or holds more."""


class Recovery:
    """One recovery of one partition number: restores the processor, positions and poison isolation."""

    def __init__(
        self,
        partition: int,
        settings: TaskSettings,
        *,
        log: OutputLog,
        processor: Processor,
        positions: Positions,
        isolation: PoisonIsolation,
        retries: Retries,
        health: Health,
    ) -> None:
        self._partition = partition
        self._settings = settings
        self._log, self._processor, self._health = log, processor, health
        self._positions, self._isolation, self._retries = positions, isolation, retries
        self._latest: Progress | None = None
        """The progress that the last owner published last."""
        self._is_latest_outdated = False
        """Whether a transaction was aborted in a decision topic or the topic of latest decisions, but not in both."""
        self._removed_keys: set[bytes] = set()
        self._decisions: dict[bytes, bytes | None] | None = None
        """The last decisions that were read back, by their key in the topic of latest decisions; None: not compared."""
        self._recreated: frozenset[str] = frozenset()
        """Topics that were created again since that progress."""
        self._foreign: set[TP] = set()
        """Partitions with records of another producer."""

    async def run(self, saved: Checkpoint | None, *, compares_latest: bool = False) -> Recovered:
        """Continue from a checkpoint, if there is one, with what was published since.

        `compares_latest`: transactions hung in the topics of decisions before the last owner was fenced, which may have
        aborted them in some only.

        Raises `Fatal` when the state was made from other topics than exist now, when inputs are gone that decisions
        rest on or that were never read, when outputs are gone that were never read back, and when a partition ends
        before where it was read or written.
        """
        settings = self._settings
        self._decisions = {} if compares_latest else None
        checkpoint = saved or Checkpoint({}, {}, {}, ended_cleanly=True)
        since_checkpoint = self._find_recreated(checkpoint.layout)
        checkpoint = without_topics(checkpoint, {*since_checkpoint, *self._latest_if_other(checkpoint.layout)})
        self._isolation.after_crash = not checkpoint.ended_cleanly
        self._positions.restore(checkpoint)
        await self._retries.until_answered(lambda: self._processor.begin(checkpoint.counts if saved else None))
        decided_at: dict[str, int] = {}
        await self._read_back(settings.progress_topic, decided_at)
        published_layout = self._latest.layout if self._latest is not None else checkpoint.layout
        last_layout = published_layout or await self._layout_of_group()
        self._recreated = self._find_recreated(last_layout)
        if since_checkpoint | self._recreated:
            self._processor.forget_positions(since_checkpoint | self._recreated)
            self._isolation.forget_topics(self._recreated)
        for topic in settings.output_topics:
            await self._read_back(topic, decided_at)
        retried_names = self._restore_quarantined()
        outputs = [TP(topic, self._partition) for topic in settings.output_topics]
        inputs = [TP(topic, self._partition) for topic in settings.input_topics]
        found = await self._log.bounds([*inputs, *outputs])
        self._positions.mark_recreated(self._recreated, {tp.name: found[tp][1] for tp in outputs})
        self._check_outputs(checkpoint, {tp.name: found[tp] for tp in outputs})
        bounds = {tp.name: found[tp] for tp in inputs}
        self._refuse_truncated_inputs(checkpoint, bounds)
        starts = self._starts(checkpoint, {name: earliest for name, (earliest, _) in bounds.items()}, decided_at)
        self._positions.start_at(starts)
        # Records that were deleted since cannot be read up to where the last owner had read.
        until = {name: min(at, bounds[name][1]) for name, at in decided_at.items() if name in bounds}
        ends = {name: end for name, (_, end) in bounds.items()}
        was_latest_wrong = False
        if self._decisions is not None and not self._is_latest_outdated:
            was_latest_wrong = await self._is_latest_wrong(self._decisions)
        self._is_latest_outdated |= was_latest_wrong
        has_decisions = any(found[TP(topic, self._partition)][1] for topic in settings.decision_topics)
        is_filled = not (has_decisions and (self._is_latest_outdated or self._latest_if_other(published_layout)))
        return Recovered(
            starts=starts,
            until=until,
            ends=ends,
            retried_names=retried_names,
            is_layout_published=published_layout == settings.layout,
            is_latest_filled=is_filled,
            removed_keys=sorted(self._removed_keys),
            was_latest_wrong=was_latest_wrong,
        )

    async def _is_latest_wrong(self, decisions: Mapping[bytes, bytes | None]) -> bool:
        """Return whether the topic of latest decisions ends differently from the decisions since the checkpoint.

        First revisions that only it has are to be removed there.
        """
        tp = TP(self._settings.latest_topic, self._partition)
        found: dict[bytes, bytes | None] = {}
        first_keys: set[bytes] = set()
        async for records in self._log.read(tp, self._positions.outputs.get(tp.name, 0)):
            self._health.progress += 1
            for record in records:
                found[record.key or b""] = record.value
                with suppress(InvalidMessage):
                    if record.value and (key := self._processor.first_decision_key(record)) is not None:
                        first_keys.add(key)
        self._removed_keys |= first_keys - decisions.keys()
        return any(found.get(key) != decisions.get(key) for key in found.keys() | decisions.keys())

    def _find_recreated(self, made_under: Layout | None) -> frozenset[str]:
        settings = self._settings
        made_under = without_id(made_under, settings.latest_topic)
        return find_recreated(made_under, settings.layout, accepts=settings.accepts_trimmed)

    def _latest_if_other(self, layout: Layout | None) -> tuple[str, ...]:
        """Return the topic of latest decisions unless it is the one of a layout."""
        topic, ids = self._settings.latest_topic, {} if layout is None else layout.ids
        return () if ids.get(topic) == self._settings.layout.ids.get(topic) else (topic,)

    async def _layout_of_group(self) -> Layout | None:
        """Return the layout that the owner of number 0 published: a new number came with more partitions."""
        if not self._partition:
            return None
        latest = await latest_progress(self._log, TP(self._settings.progress_topic, 0))
        return latest.progress.layout if latest is not None else None

    def _refuse_truncated_inputs(self, checkpoint: Checkpoint, bounds: Mapping[str, tuple[int, int]]) -> None:
        read = dict(checkpoint.inputs)
        if self._latest is not None:
            advance_to(read, self._latest.positions)
        for name, (_, end) in bounds.items():
            refuse_truncated(name, read.get(name, 0), end)

    def _check_outputs(self, checkpoint: Checkpoint, bounds: Mapping[str, tuple[int, int]]) -> None:
        """Check that every message published since the checkpoint was read back, except for losses accepted before.

        The counts of a checkpoint include its accepted losses. Without a checkpoint, the latest progress has them.
        """
        latest = self._latest or NO_PROGRESS
        for name, (earliest, end) in bounds.items():
            position = checkpoint.outputs.get(name, 0)
            refuse_truncated(name, position, end)
            is_counted = bool(position or checkpoint.emitted_counts.get(name))
            gone = (checkpoint.skipped if is_counted else latest.skipped).get(name, 0)
            known = self._positions.emitted_counts.get(name, 0) + (0 if is_counted else gone)
            missing = latest.emitted_counts.get(name, 0) - known
            forgotten = forgotten_count(name, position, earliest, missing, accepts=self._settings.accepts_trimmed)
            self._positions.set_emitted_count(name, known + forgotten, gone + forgotten)

    async def _read_back(self, topic: str, decided_at: dict[str, int]) -> None:
        """Restore what was published on a topic since the checkpoint; advance `decided_at` to where it was decided."""
        tp = TP(topic, self._partition)
        async for records in self._log.read(tp, self._positions.outputs.get(tp.name, 0)):
            self._health.progress += 1
            for record in records:
                advance_to(decided_at, self._restore(tp, record))
            await self._retries.until_answered(self._processor.apply_restored)

    def _restore(self, tp: TP, record: Stored) -> Mapping[str, int]:
        """Restore one record and return the input positions at which it was decided.

        A record of another producer is skipped: no owner has published it.
        """
        try:
            if tp.topic == self._settings.progress_topic:
                decided_at = self._restore_progress(tp, record)
            else:
                recreated = self._recreated_since(tp, record)
                decided_at = self._processor.restore_output(tp.topic, record, recreated)
                decided_at = of_other_topics(decided_at, recreated) if recreated else decided_at
                if self._decisions is not None and tp.topic in self._settings.decision_topics:
                    self._decisions[self._processor.latest_decision(record).key or b""] = record.value
        except InvalidMessage as error:
            self._positions.set_outputs({tp: record.offset + 1})
            if tp not in self._foreign:  # one line for each partition: there may be many such records
                logger.warning("%s@%d: not written by a worker, ignored: %s", tp.name, record.offset, error)
                self._foreign.add(tp)
            return {}
        self._positions.add_restored(tp, record.offset)
        return decided_at

    def _recreated_since(self, tp: TP, record: Stored) -> Collection[str]:
        """Return the topics that were created again since a record was published."""
        known = self._positions.recreated_topics.items()
        return self._recreated.union(topic for topic, ends in known if record.offset < ends.get(tp.name, 0))

    def _restore_progress(self, tp: TP, record: Stored) -> Mapping[str, int]:
        positions = self._positions
        if record.key == LATEST_OUTDATED_KEY:
            self._removed_keys.update(unpack_keys(record.value or b""))
            self._is_latest_outdated = True
            return {}
        self._isolation.after_crash = True
        if record.value is None:
            return {}
        if record.key == ATTEMPT_LOG_KEY:
            self._isolation.restore(unpack_attempt_log(record.value))
            return {}
        if record.key == REBUILT_KEY:
            raise Fatal(
                f"{tp.name}@{record.offset}: the checkpoints that sop rebuild made are gone, and earlier outputs about "
                "cases that it moved are in other partitions: stop all workers and run sop rebuild again"
            )
        if record.key != PROGRESS_KEY:
            raise InvalidMessage("key: not one that workers use")
        progress = self._latest = without_recreated(progress_in(tp, record), self._settings.layout)
        self._isolation.after_crash = not progress.ended_cleanly
        self._is_latest_outdated = False
        self._removed_keys.clear()
        positions.skipped = dict(progress.skipped)
        positions.recreated_topics = {topic: dict(ends) for topic, ends in progress.recreated_topics.items()}
        positions.now = max(positions.now, progress.now)
        positions.quarantined, positions.first_offsets = dict(progress.quarantined), dict(progress.first_offsets)
        return progress.positions

    def _restore_quarantined(self) -> list[str]:
        """Quarantine the names that this version had quarantined; return those of other versions."""
        quarantined = self._positions.quarantined
        retried = [name for name, each in quarantined.items() if each.version != self._settings.version]
        for name in retried:
            del quarantined[name]
        for name in quarantined:
            self._processor.quarantine(name)
        return retried

    def _starts(
        self, checkpoint: Checkpoint, earliest: Mapping[str, int], decided_at: Mapping[str, int]
    ) -> dict[str, int]:
        """Return where to read from: the checkpoint's positions, or the log start offset if that is later."""
        first_offsets, accepts = self._positions.first_offsets, self._settings.accepts_trimmed
        required = [TP(topic, self._partition).name for topic in self._settings.required_topics]
        refuse_missing(required, {**first_offsets, **checkpoint.inputs}, earliest, decided_at, accepts=accepts)
        for name, at in self._known_positions(checkpoint, decided_at).items():
            self._positions.add_skipped(name, unread_count(name, at, earliest[name], accepts=accepts))
        for name, at in earliest.items():
            if name not in checkpoint.inputs:
                first_offsets[name] = max(first_offsets.get(name, 0), at)
        inputs = checkpoint.inputs
        return {name: max(inputs.get(name, 0), at) for name, at in earliest.items() if name in inputs or at}

    def _known_positions(self, checkpoint: Checkpoint, decided_at: Mapping[str, int]) -> dict[str, int]:
        """Return the next offset to read of each input partition in which no record may be skipped.

        Version 0.1 did not count transaction markers as read, so positions in topics with many markers are not known.
        """
        last = self._latest.layout if self._latest is not None else None
        layouts = [each for each in (checkpoint.layout, last) if each is not None]
        known: dict[str, int] = {}
        for topic in self._settings.input_topics:
            name = TP(topic, self._partition).name
            if any(topic in layout.ids for layout in layouts):
                known[name] = 0
            if layouts or topic not in self._settings.internal_topics:
                advance_to(known, {name: max(checkpoint.inputs.get(name, 0), decided_at.get(name, 0))})
        return known
