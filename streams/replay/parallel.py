"""A replay on several cores: the same messages in the same order as on one, whatever the number.

Each process replays a share of the cases with the reports of all partners that these name; cases of one partner go
together, so that few reports are read by two. What a process says is in order already, and the shares are merged by it.
The events are read before: to hand records over and events back takes as long as to read them.
"""

from __future__ import annotations

import heapq
import multiprocessing
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from operator import itemgetter
from typing import Final

from schemas.encoding import encode_message
from schemas.errors import Fatal
from schemas.events import AnyEvent
from schemas.policy import PolicySet
from streams.casework.intake import is_report
from streams.replay.replay import Replay

LINES_PER_MESSAGE: Final = 500

Line = tuple[int, bool, str, int, bytes]
"""A message as written, with what orders it (`streams.replay.replay.Told`)."""


def can_fork() -> bool:
    """Tell whether this system can start a process that has the events already."""
    return "fork" in multiprocessing.get_all_start_methods()


def lines_on(
    processes: int, events: Sequence[AnyEvent], policies: PolicySet, *, facts_per_case_max: int, until: int | None
) -> Iterator[bytes]:
    """Yield what `Replay.run` yields of settled events, as written, decided by so many processes.

    Raises `Fatal` when one of them ends early.
    """
    if until is None:
        until = max((event.time for event in events), default=0)
    context = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    started: list[ForkProcess] = []
    for number, share in enumerate(_shares(events, processes)):
        ours, theirs = context.Pipe(duplex=False)
        replay = Replay(policies, facts_per_case_max=facts_per_case_max)
        said = partial(_say, theirs, replay, share, until, number, processes)
        started.append(context.Process(target=said, name=f"replay-{number}", daemon=True))
        started[-1].start()
        theirs.close()
        pipes.append(ours)
    try:
        for line in heapq.merge(*map(_received, pipes), key=itemgetter(0, 1, 2, 3)):
            yield line[4]
    finally:
        for process in started:
            process.terminate()  # one that has said all has nothing left to do
            process.join()


def _shares(events: Sequence[AnyEvent], processes: int) -> list[list[AnyEvent]]:
    """Return for each process its cases' facts and the reports of the partners that they name."""
    case_of: dict[str, int] = {}
    named: dict[str, set[int]] = {}
    for event in events:
        partner = getattr(event.data, "partner_id", None)
        if partner is not None and not is_report(event):
            named.setdefault(partner, {_share(partner, processes)}).add(
                case_of.setdefault(event.subject, _share(partner, processes))
            )
    shares: list[list[AnyEvent]] = [[] for _ in range(processes)]
    for event in events:
        own = _share(event.subject, processes)
        if is_report(event):
            for number in named.get(event.subject, (own,)):
                shares[number].append(event)
        else:
            shares[case_of.get(event.subject, own)].append(event)
    return shares


def _share(name: str, processes: int) -> int:
    """Return whose a partner is, or a case that names none: the same in every run."""
    return zlib.crc32(name.encode()) % processes


def _say(pipe: Connection, replay: Replay, events: Sequence[AnyEvent], until: int, number: int, processes: int) -> None:
    """Replay a share; send what is said, alerts about a partner only where it belongs."""
    lines: list[Line] = []
    for told in replay.told(events, until):
        if told.is_of_partner and _share(told.subject, processes) != number:
            continue
        lines.append((told.at, told.is_of_partner, told.subject, told.number, encode_message(told.message)))
        if len(lines) == LINES_PER_MESSAGE:
            pipe.send(lines)
            lines = []
    pipe.send(lines)
    pipe.send(None)


def _received(pipe: Connection) -> Iterator[Line]:
    try:
        while (lines := pipe.recv()) is not None:
            yield from lines
    except EOFError:
        raise Fatal("a process of the replay ended before it was done") from None
