"""A replay on several processes: the same lines in the same order as on one, whatever the number.

The processes have what was read by being forked; what each writes is in order already and is merged
by it. Where the clock ends is known when all have decoded their shares, so that is told to them then.
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
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Final

from msgspec import Struct

from schemas.codec.encoder import encode_message
from schemas.errors import Fatal, UsageError
from streams.replay.partitioning import (
    DeduplicatedPartition,
    IndexedInput,
    ReplayPartition,
    assign,
    deduplicate_partition,
    index_input,
)
from streams.replay.records import InputRecord, RefusedRecord
from streams.replay.sequential import (
    LONG_AGO,
    ReplayResult,
    ReplaySettings,
    case_count,
    end_of,
    last_instant,
    refused_line,
)

LINES_PER_MESSAGE: Final = 500
ENDING: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
LOST: Final = "a process of the replay ended before it was done"

Line = tuple[int, bool, str, int, bytes]
"""A message as written, with what orders it (`streams.replay.replay.Emission`)."""


class PartitionCounts(Struct, frozen=True):
    """How a process fared with its own reports; `last` is the latest instant (microseconds) of all its events."""

    events: int
    duplicates: int
    refused: int
    last: int


def can_fork() -> bool:
    """Tell whether this system can start a process that has the input already."""
    return "fork" in multiprocessing.get_all_start_methods()


@contextmanager
def replay_in_parallel(
    processes: int,
    records: Iterable[InputRecord],
    settings: ReplaySettings,
    *,
    first_time: Iterable[InputRecord] | None = None,
) -> Iterator[ReplayResult]:
    """Yield what `replay_sequentially` returns, while several processes decide it; the records are read again by each.

    `first_time` are the records when first gone through (default: `records`), for who wants to count them.
    Raises `UsageError` when the input cannot be read; `Fatal`, as the lines do, when a process ends early.
    """
    indexed = index_input(records if first_time is None else first_time, records, settings)
    settled = indexed.settled
    with ExitStack() as running:
        pipes = [
            _started(running, f"replay-{number}", partial(_replay, indexed=indexed, share=share, settings=settings))
            for number, share in enumerate(assign(indexed, processes))
        ]
        tallies = [_tally(pipe) for pipe in pipes]
        until = end_of(settings, max(last_instant(settled.events), *(tally.last for tally in tallies)))
        for pipe in pipes:
            _tell(pipe, until)
        ordered = heapq.merge(map(_refused, settled.refused), *map(_received, pipes), key=itemgetter(0, 1, 2, 3))
        yield ReplayResult(
            events=len(settled.events) + sum(tally.events for tally in tallies),
            duplicates=settled.duplicates + sum(tally.duplicates for tally in tallies),
            refused=len(settled.refused) + sum(tally.refused for tally in tallies),
            cases=case_count(settled.events, until),
            lines=(line[4] for line in ordered),
        )


def _started(running: ExitStack, name: str, work: Callable[[Connection], None]) -> Connection:
    """Start a process, to be ended with the others, and return the pipe to it.

    Raises `Fatal` when the system gives none.
    """
    context = multiprocessing.get_context("fork")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # none may find this process's handlers in the new one
    try:
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(theirs, work), name=name, daemon=True)
        process.start()
    except OSError as error:
        raise Fatal(f"a process of the replay cannot be started: {error.strerror}; --jobs 1 needs none") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    running.callback(process.join)
    running.callback(process.terminate)  # one that has said all has nothing left to do
    return ours


def _run(pipe: Connection, work: Callable[[Connection], None]) -> None:
    """Do the work of a process: Ctrl-C is for its parent to act upon, without which it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ENDING - {signal.SIGINT}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(BrokenPipeError):  # nobody is left to hear it
        work(pipe)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a process that another one started"
    parent.join()
    os._exit(1)


def _replay(pipe: Connection, *, indexed: IndexedInput, share: ReplayPartition, settings: ReplaySettings) -> None:
    """Do a share: send a tally, hear where the clock ends, send the lines."""
    try:
        settled = deduplicate_partition(indexed, share, settings)
    except UsageError as error:
        pipe.send(error)
        return
    last = last_instant(settled.events)
    pipe.send(PartitionCounts(settled.accepted, settled.duplicates, len(settled.refused), last))
    until = pipe.recv()
    lines: list[Line] = []
    for line in _lines(settled, share, settings, until):
        lines.append(line)
        if len(lines) == LINES_PER_MESSAGE:
            pipe.send(lines)
            lines = []
    pipe.send(lines)
    pipe.send(None)


def _lines(
    settled: DeduplicatedPartition, share: ReplayPartition, settings: ReplaySettings, until: int
) -> Iterator[Line]:
    """Yield what a share comes to, in order; alerts about a partner only where it belongs."""
    yield from map(_refused, settled.refused)
    for told in settings.replay().told(settled.events, until):
        if not told.is_of_partner or told.subject in share.own:
            yield (told.at, told.is_of_partner, told.subject, told.number, encode_message(told.message))


def _refused(refused: RefusedRecord) -> Line:
    """Return a dead letter as a line that comes before all messages."""
    return (LONG_AGO, False, "", refused.number, refused_line(refused))


def _tell(pipe: Connection, until: int) -> None:
    try:
        pipe.send(until)
    except OSError:
        raise Fatal(LOST) from None


def _tally(pipe: Connection) -> PartitionCounts:
    try:
        tally = pipe.recv()
    except (EOFError, OSError):
        raise Fatal(LOST) from None
    if isinstance(tally, UsageError):
        raise tally
    assert isinstance(tally, PartitionCounts), "a process sends its tally first"
    return tally


def _received(pipe: Connection) -> Iterator[Line]:
    try:
        while (lines := pipe.recv()) is not None:
            yield from lines
    except (EOFError, OSError):
        raise Fatal(LOST) from None
