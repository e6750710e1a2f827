"""How far a task has come: what it read and wrote, and what of it others were told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from streams.runtime.ports import TP, Batches, Checkpoint, Layout, Outgoing, Quarantined
from streams.runtime.progress import Progress, count_emitted


class Positions:
    """Positions and counts by `topic-partition`, and the instant (microseconds) up to which deadlines were passed."""

    def __init__(self, layout: Layout, emitted: Collection[str]) -> None:
        """Begin with nothing read and nothing written, in topics as they are now; `emitted` are the output topics."""
        self._layout = layout
        self._emitted = emitted
        self.now = 0
        self.positions: dict[str, int] = {}
        """The next offset to read."""
        self.quarantined: dict[str, Quarantined] = {}
        """What is set aside, by name."""
        self.first_offsets: dict[str, int] = {}
        """The offset from which the state was made."""
        self.ended_cleanly = False
        """Whether this owner ends as it should."""
        self.goes_on: dict[str, int] = {}
        """Where reading goes on, all records before it having been handed over."""
        self.skipped: dict[str, int] = {}
        """How many offsets of inputs were deleted before they were read, and messages before they were read back."""
        self.emitted_counts: dict[str, int] = {}
        """How many messages were said on each output partition, those among them that were gone without."""
        self.recreated_topics: dict[str, dict[str, int]] = {}
        """By topic that was created again, the offset of each output partition before which the former one is meant."""
        self._outputs: dict[str, int] = {}
        self._consumed: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def begin(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.positions, self._outputs, self._consumed = dict(saved.inputs), dict(saved.outputs), dict(saved.consumed)
        self.quarantined, self.first_offsets, self.now = dict(saved.quarantined), dict(saved.first_offsets), saved.now
        self.skipped, self.emitted_counts, self.recreated_topics = (
            dict(saved.skipped),
            dict(saved.emitted_counts),
            dict(saved.recreated_topics),
        )

    def start_at(self, positions: Mapping[str, int]) -> None:
        """Take the positions from which records will come, about which nobody has to be told."""
        self.positions = dict(positions)
        self._told = dict(positions)

    def read(self, batches: Batches) -> None:
        """Note that batches are part of the state."""
        for tp, records in batches:
            self.positions[tp.name] = records[-1].offset + 1
            self._consumed[tp.name] = self._consumed.get(tp.name, 0) + len(records)

    def pass_over(self, received: Mapping[str, int]) -> None:
        """Count as read what holds no record, where all records handed over, so many, are part of the state."""
        for name in list(self.goes_on):
            if received.get(name, 0) == self._consumed.get(name, 0):
                advance_to(self.positions, {name: self.goes_on.pop(name)})

    def skip(self, name: str, count: int) -> None:
        """Note that offsets of an input partition were deleted before they were read."""
        if count:
            self.skipped[name] = self.skipped.get(name, 0) + count

    @property
    def consumed(self) -> Mapping[str, int]:
        """How many records of each input partition are part of the state."""
        return self._consumed

    def written(self, tp: TP) -> int:
        """Return the offset up to which an output partition is part of the state."""
        return self._outputs.get(tp.name, 0)

    @property
    def outputs(self) -> Mapping[str, int]:
        """The offsets up to which output partitions are part of the state."""
        return self._outputs

    def wrote(self, ends: Mapping[TP, int]) -> None:
        """Note that output partitions are part of the state up to these offsets."""
        self._outputs.update({tp.name: end for tp, end in ends.items()})

    def read_back(self, tp: TP, offset: int) -> None:
        """Note that a record of an output partition is part of the state that an earlier owner wrote."""
        self.wrote({tp: offset + 1})
        if tp.topic in self._emitted:
            self.emitted_counts[tp.name] = self.emitted_counts.get(tp.name, 0) + 1

    def forgot(self, name: str, said: int, skipped: int) -> None:
        """Note how many messages were said on an output partition, and how many of them are gone without at least."""
        self.emitted_counts[name] = said
        advance_to(self.skipped, {name: skipped})

    def find_again(self, topics: Collection[str], ends: Mapping[str, int]) -> None:
        """Note that topics were created again: what is said up to these ends of output partitions means former ones."""
        self.recreated_topics.update({topic: dict(ends) for topic in topics})

    def told(self, progress: Progress) -> None:
        """Note that everybody may know what `progress` says."""
        self._told, self.emitted_counts = dict(self.positions), dict(progress.emitted_counts)

    @property
    def untold(self) -> bool:
        """Whether something was read since it was last told."""
        return self._told != self.positions

    def progress(self, counts: Mapping[str, Mapping[str, int]], outgoing: Iterable[Outgoing] = ()) -> Progress:
        """Return what is to be told together with other records; `counts` says what became of those read."""
        return Progress(
            now=self.now,
            positions=self.positions,
            consumed=self._consumed,
            counts=counts,
            quarantined=self.quarantined,
            first_offsets=self.first_offsets,
            ended_cleanly=self.ended_cleanly,
            skipped=self.skipped,
            emitted_counts=count_emitted(self.emitted_counts, outgoing, self._emitted),
            recreated_topics=self.recreated_topics,
            layout=self._layout,
        )

    def saved(self, counts: dict[str, dict[str, int]]) -> Checkpoint:
        """Return what a checkpoint says, with what became of the records."""
        return Checkpoint(
            inputs=dict(self.positions),
            outputs=dict(self._outputs),
            counts=counts,
            consumed=dict(self._consumed),
            quarantined=dict(self.quarantined),
            first_offsets=dict(self.first_offsets),
            ended_cleanly=self.ended_cleanly,
            now=self.now,
            skipped=dict(self.skipped),
            emitted_counts=dict(self.emitted_counts),
            recreated_topics=dict(self.recreated_topics),
            layout=self._layout,
        )


def format_inputs(positions: Mapping[str, int]) -> str:
    """Return the `inputs` extension: the last offset read, by `topic-partition` (contracts, "Decisions out")."""
    return ",".join(f"{name}:{positions[name] - 1}" for name in sorted(positions) if positions[name] > 0)


def parse_inputs(inputs: str) -> dict[str, int]:
    """Return the next offsets to read that an `inputs` extension stands for."""
    parts = (part.rpartition(":") for part in inputs.split(",") if part)
    return {name: int(offset) + 1 for name, _, offset in parts}


def advance_to(positions: dict[str, int], others: Mapping[str, int]) -> None:
    """Raise positions, in place, to at least others in every partition."""
    for name, at in others.items():
        if at > positions.get(name, 0):
            positions[name] = at


def has_reached(positions: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Tell whether positions are at or after others in every partition."""
    return all(positions.get(name, 0) >= at for name, at in wanted.items())
