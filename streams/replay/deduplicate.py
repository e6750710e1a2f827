"""Decodes and deduplicates the records of a whole input before it is replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from agents.case.case import Rejection, rejection_reason
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import LOCATION_REPORT, AnyEvent, CaseErased, PartnerErased
from streams.replay.input_record import InputRecord

ERASED: Final = "data: erased"
"""The reason with which an archived record is refused that lacks what was personal in it."""


class RefusedRecord(Struct, frozen=True):
    """A record that cannot be accepted, with the reason; `number` is its position in the whole input."""

    number: int
    record: InputRecord
    reason: str


class Deduplicated(Struct, frozen=True):
    """The accepted events of an input, once each, the refused records, and the number of duplicates."""

    events: list[AnyEvent]
    refused: list[RefusedRecord]
    duplicates: int


class _Cases:
    """How many facts cases have, and which were erased."""

    def __init__(self, facts_max: int) -> None:
        self._facts_max = facts_max
        self._facts: Counter[str] = Counter()
        self._erased: dict[str, tuple[int, str, str]] = {}

    def add(self, event: AnyEvent) -> Rejection | None:
        """Count a fact or take note of an erasure; return why the fact is not accepted, if so."""
        case_id = event.subject
        if type(event.data) is CaseErased:
            self._erased[case_id] = min(event.order, self._erased.get(case_id, event.order))
            return None
        if case_id in self._erased and event.order > self._erased[case_id]:
            return "departed"
        if self._facts[case_id] >= self._facts_max:
            return "full"
        self._facts[case_id] += 1
        return None


def deduplicate(
    numbered: Iterable[tuple[int, InputRecord]], limits: Limits, now: int | None, facts_per_case_max: int
) -> Deduplicated:
    """Decode records in input order; sort them into events, duplicates and refused records (contracts.md, "Envelope").

    Each record comes with its position in the whole input. The records must include all that may share an identity and
    all facts of each case. Of several events with the same identity the first one counts; a refused record claims no
    identity. A fact behind the erasure of its case, in time and in input order, is refused too; one that is read before
    is forgotten with the case. The erasure of a partner changes nothing of what a replay has.

    `now` (microseconds) is the present: events too far in its future are refused. It is None if the run ends at a fixed
    instant, since later events are ignored anyway.
    """
    known: dict[tuple[str, str], bytes] = {}
    cases = _Cases(facts_per_case_max)
    events: list[AnyEvent] = []
    refused: list[RefusedRecord] = []
    duplicates = 0
    for number, record in numbered:
        if record.is_erased:
            refused.append(RefusedRecord(number, record, ERASED))
            continue
        try:
            event = decode_record(
                record.value, record.headers, limits, now, key=record.key, original_sizes=record.original_sizes
            )
        except InvalidMessage as error:
            refused.append(RefusedRecord(number, record, error.reason))
            continue
        content = known.get(event.identity)
        if content is not None:
            if content == event.digest:
                duplicates += 1
            else:
                refused.append(RefusedRecord(number, record, rejection_reason(event, "conflict")))
            continue
        if type(event.data) is PartnerErased:
            continue
        if event.type != LOCATION_REPORT and (rejection := cases.add(event)):
            refused.append(RefusedRecord(number, record, rejection_reason(event, rejection)))
            continue
        known[event.identity] = event.digest
        events.append(event)
    return Deduplicated(events, refused, duplicates)
