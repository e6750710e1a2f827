"""Replays an input on several processes and writes the same lines in the same order as one process.

The child processes are forked, so they inherit what has been read. They decode their partitions and report counts; then
the parent tells them where the clock ends. Each sends its steps in order. The parent merges them and raises the alerts
that need the cases of several processes.
"""

from __future__ import annotations

import heapq
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Final

from msgspec import Struct

from agents.anomalies.messages import Contribution
from schemas.codec.encoder import encode_message
from schemas.errors import Fatal, UsageError
from streams.replay.anomalies import OF_CASE, OF_PARTNER, with_anomalies
from streams.replay.deduplicate import RefusedRecord
from streams.replay.input_record import InputRecord
from streams.replay.partitioning import (
    DeduplicatedPartition,
    IndexedInput,
    ReplayPartition,
    assign,
    deduplicate_partition,
    index_input,
)
from streams.replay.replay import (
    BEFORE_ALL,
    Contributed,
    Replay,
    ReplayResult,
    ReplaySettings,
    case_count,
    encode_refused,
    end_of_clock,
    last_instant,
)

STEPS_PER_MESSAGE: Final = 500
TERMINATING: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

Step = tuple[int, int, str, int, bytes | list[Contribution]]
"""An encoded message, or what a case contributes, after its sort key (see `streams.replay.replay.Emission`)."""


class PartitionCounts(Struct, frozen=True):
    """What a process counted among its own reports; `last` is the time of the last of all its events."""

    events: int
    duplicates: int
    refused: int
    last: int


def can_fork() -> bool:
    """Return whether this system can fork, so that a child process inherits what has been read."""
    return "fork" in multiprocessing.get_all_start_methods()


@contextmanager
def replay_in_parallel(
    processes: int,
    records: Iterable[InputRecord],
    settings: ReplaySettings,
    *,
    first_reading: Iterable[InputRecord] | None = None,
) -> Iterator[ReplayResult]:
    """Yield what `replay_sequentially` returns, computed by child processes.

    `records` is read several times; `first_reading` (default: `records`) yields the same the first time. Raises
    `UsageError` if the input cannot be read; `Fatal`, also while the lines are read, if a process is lost.
    """
    indexed = index_input(records if first_reading is None else first_reading, records, settings)
    decoded = indexed.decoded
    with ExitStack() as running:
        pipes = [
            _start(running, f"replay-{number}", partial(_replay, indexed=indexed, partition=each, settings=settings))
            for number, each in enumerate(assign(indexed, processes))
        ]
        with _pipe_errors():
            counts = [_receive_counts(pipe) for pipe in pipes]
        until = end_of_clock(settings, max(last_instant(decoded.events), *(each.last for each in counts)))
        with _pipe_errors():
            for pipe in pipes:
                pipe.send(until)
        steps = heapq.merge(
            map(_refused_line, decoded.refused), *map(_receive_steps, pipes), key=itemgetter(0, 1, 2, 3)
        )
        due = with_anomalies(steps, settings.policies)
        yield ReplayResult(
            events=len(decoded.events) + sum(each.events for each in counts),
            duplicates=decoded.duplicates + sum(each.duplicates for each in counts),
            refused=len(decoded.refused) + sum(each.refused for each in counts),
            cases=case_count(decoded.events, until),
            lines=(each if isinstance(each, bytes) else encode_message(each) for each in due),
        )


def _start(running: ExitStack, name: str, target: Callable[[Connection], None]) -> Connection:
    """Start a process that is ended with `running`, and return the pipe to it.

    Raises `Fatal` if the system cannot start one.
    """
    context = multiprocessing.get_context("fork")
    # a signal must not find this process's handlers in the child
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATING)
    try:
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(theirs, target), name=name, daemon=True)
        process.start()
    except OSError as error:
        raise Fatal(f"cannot start a replay process: {error.strerror}; --jobs 1 needs none") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    running.callback(process.join)
    running.callback(process.terminate)
    return ours


def _run(pipe: Connection, target: Callable[[Connection], None]) -> None:
    """Run `target` in the child; it ignores Ctrl-C and ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in TERMINATING - {signal.SIGINT}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TERMINATING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(BrokenPipeError):  # the parent is gone
        target(pipe)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in a child process"
    parent.join()
    os._exit(1)


def _replay(pipe: Connection, *, indexed: IndexedInput, partition: ReplayPartition, settings: ReplaySettings) -> None:
    """Replay a partition: send its counts, receive the end of the clock, send the lines."""
    try:
        unique = deduplicate_partition(indexed, partition, settings)
    except UsageError as error:
        pipe.send(error)
        return
    pipe.send(PartitionCounts(unique.accepted, unique.duplicates, len(unique.refused), last_instant(unique.events)))
    until = pipe.recv()
    steps = _steps(unique, partition, settings, until)
    while chunk := list(islice(steps, STEPS_PER_MESSAGE)):
        pipe.send(chunk)
    pipe.send(None)


def _steps(
    unique: DeduplicatedPartition, partition: ReplayPartition, settings: ReplaySettings, until: int
) -> Iterator[Step]:
    """Yield the steps of a partition in order; alerts about a partner come from the partner's own partition only."""
    yield from map(_refused_line, unique.refused)
    for each in Replay(settings.policies).steps(unique.events, until):
        if isinstance(each, Contributed):
            yield each
        elif each.source != OF_PARTNER or each.subject in partition.own_partners:
            yield (each.at, each.source, each.subject, each.number, encode_message(each.message))


def _refused_line(refused: RefusedRecord) -> Step:
    """Return a dead letter as a step that sorts before all others."""
    return (BEFORE_ALL, OF_CASE, "", refused.number, encode_refused(refused))


@contextmanager
def _pipe_errors() -> Iterator[None]:
    """Raise `Fatal` if the process at the other end of a pipe is lost."""
    try:
        yield
    except (EOFError, OSError):
        raise Fatal("a replay process ended before it was done") from None


def _receive_counts(pipe: Connection) -> PartitionCounts:
    counts = pipe.recv()
    if isinstance(counts, UsageError):
        raise counts
    assert isinstance(counts, PartitionCounts), "a process sends its counts first"
    return counts


def _receive_steps(pipe: Connection) -> Iterator[Step]:
    with _pipe_errors():
        while (steps := pipe.recv()) is not None:
            yield from steps
