"""The settings that all tasks of a worker share."""

from __future__ import annotations

from dataclasses import dataclass

from streams.runtime.ports import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """The settings that all tasks of a worker share."""

    input_topics: tuple[str, ...]
    """The input topics."""
    internal_topics: tuple[str, ...]
    """The topics that only tasks write: those of presence queries, answers and forwarded events, and progress."""
    required_topics: tuple[str, ...]
    """The input topics whose records are needed to rebuild the state."""
    accepts_trimmed: bool
    """Whether to go on without deleted records that were never read or are needed again."""
    output_topics: tuple[str, ...]
    """The output topics; a task writes to its own partition of each."""
    decision_topics: tuple[str, ...]
    """Those of the output topics that have decisions."""
    latest_topic: str
    """The topic with the latest revision of every decision, derived from the decision topics."""
    progress_topic: str
    """The topic with the progress of every transaction."""
    layout: Layout
    """These topics as they were when the worker started."""
    step_records_max: int
    checkpoint_interval: int
    """In microseconds."""
    store_retry_s: float
    """How long to wait for a store that is away, where nothing can go on without it."""
    transaction_timeout_s: float
    """After this time the broker aborts a transaction that is still open."""
    version: str
    """Of the worker; names that another version has quarantined are tried again."""
    step_spacing_s: float = 0.03
    """How far apart steps with records begin: a single record is published at once, many are published together.

    A transaction costs the broker some milliseconds of CPU, whatever its size.
    """
    backlog_idle_s: float = 10.0
    """How long without a record until an owner regards its backlog as read (`streams.runtime.backlog`)."""
    packed_at_once: int = 100
    """How many objects of a checkpoint are packed between two steps; more if the step took more records."""
