"""Replays a whole input in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from schemas.codec.canonical_json import digest32
from schemas.codec.encoder import encode_dead_letter, encode_message
from schemas.codec.limits import Limits
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.outputs import DeadLetter
from schemas.policy.model import PolicySet
from streams.replay.deduplicate import RefusedRecord, deduplicate
from streams.replay.inputs import InputRecord
from streams.replay.replay import Replay

BEFORE_ALL: Final = -(1 << 62)
"""An instant before any that an event can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How to replay an input.

    The clock ends at `until` (microseconds). If that is None it ends with the last event, and `now` is the present:
    events too far in its future are refused.
    """

    policies: PolicySet
    limits: Limits
    facts_per_case_max: int
    until: int | None = None
    now: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """Counts of accepted events, duplicates, refused records and cases; `lines` is an iterator over the output.

    Lines are CloudEvents in JSON: first the dead letters in input order, then the messages as they are due.
    """

    events: int
    duplicates: int
    refused: int
    cases: int
    lines: Iterator[bytes]


def replay_sequentially(records: Iterable[InputRecord], settings: ReplaySettings) -> ReplayResult:
    """Deduplicate the records of a whole input and replay the accepted events."""
    unique = deduplicate(enumerate(records), settings.limits, settings.now, settings.facts_per_case_max)
    until = end_of_clock(settings, last_instant(unique.events))
    messages = Replay(settings.policies).run(unique.events, until)
    return ReplayResult(
        events=len(unique.events),
        duplicates=unique.duplicates,
        refused=len(unique.refused),
        cases=case_count(unique.events, until),
        lines=chain(map(encode_refused, unique.refused), map(encode_message, messages)),
    )


def last_instant(events: Iterable[AnyEvent]) -> int:
    """Return the latest time of events in microseconds, `BEFORE_ALL` if there are none."""
    return max((event.time for event in events), default=BEFORE_ALL)


def end_of_clock(settings: ReplaySettings, last: int) -> int:
    """Return the end of the clock, given the time of the last event (both in microseconds)."""
    return last if settings.until is None else settings.until


def case_count(events: Iterable[AnyEvent], until: int) -> int:
    """Return how many cases have a fact by the end of the clock."""
    return len({event.subject for event in events if event.type != LOCATION_REPORT and event.time <= until})


def encode_refused(refused: RefusedRecord) -> bytes:
    """Return the dead letter of a refused record.

    The id of a record in a file depends on the file's number and the line's content, not on the folder of the file.
    """
    record = refused.record
    id_topic = None if record.input_number is None else f"{record.input_number}/{digest32(record.value or b'')}"
    dead_letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=refused.reason,
        value=record.value,
        key=record.key,
        headers=tuple(record.headers),
    )
    return encode_dead_letter(dead_letter, id_topic=id_topic)
