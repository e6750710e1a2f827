"""What all tasks of a worker share."""

from __future__ import annotations

from dataclasses import dataclass

from streams.runtime.ports import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """What all tasks of a worker share; `checkpoint_interval` in microseconds."""

    input_topics: tuple[str, ...]
    """The input topics."""
    internal_topics: tuple[str, ...]
    """Those of them that tasks write themselves: to refuse a record of theirs would help nobody."""
    required_topics: tuple[str, ...]
    """Those of them whose records cannot be done without when state is made again."""
    accepts_trimmed: bool
    """Whether to go on without records that are gone, be it that they were read and are needed again or never read."""
    output_topics: tuple[str, ...]
    """The output topics of which a task writes its own partition number, `progress` not among them."""
    progress_topic: str
    """The topic that says, in every transaction, how far the inputs had been read."""
    layout: Layout
    """All of these topics as they were when the worker started."""
    step_records_max: int
    checkpoint_interval: int
    transaction_timeout_s: float
    """After how long the broker aborts a transaction that nobody ends."""
    version: str
    """Of the worker: what another version could not conclude upon is tried again."""
    step_spacing_s: float = 0.03
    """How far apart steps with records begin: what comes alone goes out at once, under load much together.

    A transaction takes a broker some milliseconds of CPU, whatever is in it.
    """
    backlog_idle_s: float = 10.0
    """After how long without a record an owner takes for read what it found in its inputs when it began."""
    packed_at_once: int = 100
    """So many objects of a checkpoint are packed between two steps, or as many as the step took records.

    So a small step waits little.
    """
