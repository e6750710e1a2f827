"""Recorded events: JSON Lines files, plain or compressed, read with what could not be accepted set apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from agents.case.case import rejection_reason
from schemas.codec.decoder import decode_record
from schemas.codec.headers import Headers
from schemas.codec.limits import Limits
from schemas.codec.record_sizes import Sizes
from schemas.errors import InvalidMessage
from schemas.events import LOCATION_REPORT, AnyEvent
from streams.files.reading import read_lines


class InputRecord(Struct, frozen=True, gc=False):
    """A recorded message: where it lies (for a file: its name, 0, the line from 1), and its bytes.

    `original_sizes` is how large its parts are, where one is larger than any may be, and only the beginning is here.
    `input_number` tells files apart, from 1, since the name of one depends on the folder that it is read from.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    original_sizes: Sizes | None = None
    input_number: int | None = None


class RefusedRecord(Struct, frozen=True):
    """A recorded message that cannot be accepted, and why; `number` is its place in the whole input."""

    number: int
    record: InputRecord
    reason: str


class Deduplicated(Struct, frozen=True):
    """A whole input, settled: the accepted events once each, what was refused, and how many were duplicates."""

    events: list[AnyEvent]
    refused: list[RefusedRecord]
    duplicates: int


def read_file(path: str, line_bytes_max: int, input_number: int = 1) -> Iterator[InputRecord]:
    """Yield the lines of a JSON Lines file (`.gz` and `.zst` too, `-`: standard input); blank lines are passed over.

    Of a line of more than `line_bytes_max` only the beginning is kept. A name that is no UTF-8 is given with U+FFFD in
    place of what is none, so that it can be written. Raises `UsageError` naming the file when it cannot be read to its
    end.
    """
    topic = os.fsencode(path).decode(errors="replace")
    for number, (line, size) in enumerate(read_lines(path, line_bytes_max), 1):
        original_sizes = Sizes(size) if size > line_bytes_max else None
        if original_sizes is not None or (line and not line.isspace()):
            yield InputRecord(topic, 0, number, line, original_sizes=original_sizes, input_number=input_number)


def deduplicate(
    numbered: Iterable[tuple[int, InputRecord]], limits: Limits, now: int | None, facts_per_case_max: int
) -> Deduplicated:
    """Decode records in input order and tell events from duplicates, conflicts and what cannot be accepted.

    Takes each record with its place in the whole input. All that can have an identity in common must be among them, and
    all facts of a case. `now` (microseconds) is the present, in whose future no event may lie too far; None where a
    clock of its own ends the run, later than which no event is known. Of several events with one identity the first in
    input order stays; what is refused has taken none (contracts, "Envelope").
    """
    known: dict[tuple[str, str], bytes] = {}
    facts: Counter[str] = Counter()
    events: list[AnyEvent] = []
    refused: list[RefusedRecord] = []
    duplicates = 0
    for number, record in numbered:
        try:
            event = decode_record(
                record.value, record.headers, limits, now, key=record.key, original_sizes=record.original_sizes
            )
        except InvalidMessage as unacceptable:
            refused.append(RefusedRecord(number, record, unacceptable.reason))
            continue
        content = known.get(event.identity)
        if content is not None:
            if content == event.content:
                duplicates += 1
            else:
                refused.append(RefusedRecord(number, record, rejection_reason(event, "conflict")))
            continue
        if event.type != LOCATION_REPORT:
            if facts[event.subject] >= facts_per_case_max:
                refused.append(RefusedRecord(number, record, rejection_reason(event, "full")))
                continue
            facts[event.subject] += 1
        known[event.identity] = event.content
        events.append(event)
    return Deduplicated(events, refused, duplicates)
