"""How far a task has read and written, and functions over offsets by `topic-partition`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from streams.runtime.ports import TP, Batches, Checkpoint, Layout, Outgoing, Quarantined
from streams.runtime.progress import Progress, count_emitted


class Positions:
    """Offsets and counts by `topic-partition`, in topics of a `layout`; `output_topics` are those with outputs."""

    def __init__(self, layout: Layout, output_topics: Collection[str]) -> None:
        self._layout = layout
        self._output_topics = output_topics
        self.now = 0
        """The instant (microseconds) up to which deadlines have passed."""
        self.inputs: dict[str, int] = {}
        """The next offset to process."""
        self.outputs: dict[str, int] = {}
        """The offset up to which an output partition is part of the state."""
        self.consumed: dict[str, int] = {}
        """How many records are part of the state."""
        self.read_up_to: dict[str, int] = {}
        """Where the consumer continues; it has handed over every record before that."""
        self.first_offsets: dict[str, int] = {}
        self.quarantined: dict[str, Quarantined] = {}
        self.skipped: dict[str, int] = {}
        self.emitted_counts: dict[str, int] = {}
        self.recreated_topics: dict[str, dict[str, int]] = {}
        self.ended_cleanly = False
        self._published_inputs: dict[str, int] = {}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        self.now = checkpoint.now
        self.inputs, self.outputs = dict(checkpoint.inputs), dict(checkpoint.outputs)
        self.consumed, self.first_offsets = dict(checkpoint.consumed), dict(checkpoint.first_offsets)
        self.quarantined, self.skipped = dict(checkpoint.quarantined), dict(checkpoint.skipped)
        self.emitted_counts = dict(checkpoint.emitted_counts)
        self.recreated_topics = dict(checkpoint.recreated_topics)

    def start_at(self, inputs: Mapping[str, int]) -> None:
        """Set the next offsets to read; they count as published."""
        self.inputs = dict(inputs)
        self._published_inputs = dict(inputs)

    def add_processed(self, batches: Batches) -> None:
        """Count batches as part of the state."""
        for tp, records in batches:
            self.inputs[tp.name] = records[-1].offset + 1
            self.consumed[tp.name] = self.consumed.get(tp.name, 0) + len(records)

    def pass_markers(self, received: Mapping[str, int]) -> None:
        """Move past offsets without records where every record `received` so far is part of the state."""
        for name in list(self.read_up_to):
            if received.get(name, 0) == self.consumed.get(name, 0):
                advance_to(self.inputs, {name: self.read_up_to.pop(name)})

    def add_skipped(self, name: str, count: int) -> None:
        """Count offsets of an input partition that were deleted before they were read."""
        if count:
            self.skipped[name] = self.skipped.get(name, 0) + count

    def set_outputs(self, ends: Mapping[TP, int]) -> None:
        """Count output partitions as part of the state up to these offsets."""
        self.outputs.update({tp.name: end for tp, end in ends.items()})

    def add_restored(self, tp: TP, offset: int) -> None:
        """Count a record of an earlier owner, at an offset of an output partition, as part of the state."""
        self.set_outputs({tp: offset + 1})
        if tp.topic in self._output_topics:
            self.emitted_counts[tp.name] = self.emitted_counts.get(tp.name, 0) + 1

    def set_emitted_count(self, name: str, count: int, skipped: int) -> None:
        """Set how many messages an output partition has had, at least `skipped` of which were deleted unread."""
        self.emitted_counts[name] = count
        advance_to(self.skipped, {name: skipped})

    def mark_recreated(self, topics: Collection[str], ends: Mapping[str, int]) -> None:
        """Note that outputs before these ends refer to deleted topics of the same names as `topics`."""
        self.recreated_topics.update({topic: dict(ends) for topic in topics})

    def mark_published(self, progress: Progress) -> None:
        """Note that the log has this progress now."""
        self._published_inputs, self.emitted_counts = dict(self.inputs), dict(progress.emitted_counts)

    @property
    def has_unpublished(self) -> bool:
        """Whether input positions have moved since progress was last published."""
        return self._published_inputs != self.inputs

    def progress(self, counts: Mapping[str, Mapping[str, int]], outgoing: Iterable[Outgoing] = ()) -> Progress:
        """Return the progress to publish together with `outgoing`; `counts` are the dispositions of the records."""
        return Progress(
            now=self.now,
            positions=self.inputs,
            consumed=self.consumed,
            counts=counts,
            quarantined=self.quarantined,
            first_offsets=self.first_offsets,
            ended_cleanly=self.ended_cleanly,
            skipped=self.skipped,
            emitted_counts=count_emitted(self.emitted_counts, outgoing, self._output_topics),
            recreated_topics=self.recreated_topics,
            layout=self._layout,
        )

    def checkpoint(self, counts: dict[str, dict[str, int]]) -> Checkpoint:
        """Return the positions as a checkpoint has them; `counts` are the dispositions of the records."""
        return Checkpoint(
            inputs=dict(self.inputs),
            outputs=dict(self.outputs),
            counts=counts,
            consumed=dict(self.consumed),
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
    """Return the `inputs` extension: the last offset read, by `topic-partition` (contracts.md, "Decisions out")."""
    return ",".join(f"{name}:{positions[name] - 1}" for name in sorted(positions) if positions[name] > 0)


def parse_inputs(inputs: str) -> dict[str, int]:
    """Return the next offsets to read for an `inputs` extension."""
    parts = (part.rpartition(":") for part in inputs.split(",") if part)
    return {name: int(offset) + 1 for name, _, offset in parts}


def advance_to(positions: dict[str, int], others: Mapping[str, int]) -> None:
    """Raise positions, in place, to at least those of `others`."""
    for name, at in others.items():
        if at > positions.get(name, 0):
            positions[name] = at


def has_reached(positions: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Return whether positions are at or after those of `wanted` in every partition."""
    return all(positions.get(name, 0) >= at for name, at in wanted.items())
