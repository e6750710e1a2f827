"""A whole recorded input, replayed: the lines that come of it, and how it fared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from schemas.codec.canonical_json import digest32
from schemas.codec.encoder import dead_letter_message, encode_message
from schemas.codec.limits import Limits
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.policy.model import PolicySet
from streams.replay.records import InputRecord, RefusedRecord, deduplicate
from streams.replay.replay import Replay

LONG_AGO: Final = -(1 << 62)
"""An instant before any that an event can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """By what an input is replayed.

    `until` (microseconds) is where the clock ends; None: with the last event, and then `now` is the present, in whose
    future no event may lie too far.
    """

    policies: PolicySet
    limits: Limits
    facts_per_case_max: int
    until: int | None = None
    now: int | None = None

    def replay(self) -> Replay:
        """Return a replay by these terms."""
        return Replay(self.policies)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """How many events were accepted, how many records were not, of how many cases; `lines` is to be gone through once.

    Lines are CloudEvents in JSON: first the dead letters in input order, then the messages as they are due.
    """

    events: int
    duplicates: int
    refused: int
    cases: int
    lines: Iterator[bytes]


def replay_sequentially(records: Iterable[InputRecord], settings: ReplaySettings) -> ReplayResult:
    """Replay a whole input on this process."""
    settled = deduplicate(enumerate(records), settings.limits, settings.now, settings.facts_per_case_max)
    until = end_of(settings, last_instant(settled.events))
    return ReplayResult(
        events=len(settled.events),
        duplicates=settled.duplicates,
        refused=len(settled.refused),
        cases=case_count(settled.events, until),
        lines=chain(
            map(refused_line, settled.refused), map(encode_message, settings.replay().run(settled.events, until))
        ),
    )


def last_instant(events: Iterable[AnyEvent]) -> int:
    """Return the latest instant of events in microseconds, `LONG_AGO` if there are none."""
    return max((event.time for event in events), default=LONG_AGO)


def end_of(settings: ReplaySettings, last: int) -> int:
    """Return where the clock ends, given the latest instant of all events."""
    return last if settings.until is None else settings.until


def case_count(events: Iterable[AnyEvent], until: int) -> int:
    """Return how many cases have a fact by the end of the clock."""
    return len({event.subject for event in events if event.type != LOCATION_REPORT and event.time <= until})


def refused_line(refused: RefusedRecord) -> bytes:
    """Return the dead letter for a record that was not accepted.

    One of a file has the same id from whatever folder the file was read.
    """
    record = refused.record
    known_as = None if record.input_number is None else f"{record.input_number}/{digest32(record.value or b'')}"
    return dead_letter_message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=refused.reason,
        value=record.value,
        key=record.key,
        headers=record.headers,
        known_as=known_as,
    )
