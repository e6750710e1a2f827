"""Recorded events: JSON Lines files, plain or compressed, read with what could not be accepted set apart."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard
from msgspec import Struct

from agents.case import why_refused
from schemas.codec import decode_record
from schemas.errors import Unacceptable, UsageError
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.limits import Limits


class Recorded(Struct, frozen=True, gc=False):
    """A recorded message: where it lies (for a file: its name, 0, the line from 1), and its bytes."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Refused(Struct, frozen=True):
    """A recorded message that cannot be accepted, and why; `number` is its place in the whole input."""

    number: int
    record: Recorded
    reason: str


class Settled(Struct, frozen=True):
    """A whole input, settled: the accepted events once each, what was refused, and how many were duplicates."""

    events: list[AnyEvent]
    refused: list[Refused]
    duplicates: int


def read_file(path: str) -> Iterator[Recorded]:
    """Yield the lines of a JSON Lines file (`.gz` and `.zst` too); blank lines are passed over.

    Raises `UsageError` naming the file when it cannot be read.
    """
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                value = line.rstrip(b"\r\n")
                if value and not value.isspace():
                    yield Recorded(path, 0, number, value)
    except (OSError, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path}: cannot be read: {reason}") from error


def settle(
    numbered: Iterable[tuple[int, Recorded]], limits: Limits, now: int | None, facts_per_case_max: int
) -> Settled:
    """Decode records in input order and tell events from duplicates, conflicts and what cannot be accepted.

    Takes each record with its place in the whole input. All that can have an identity in common must be among them, and
    all facts of a case. `now` (microseconds) is the present, in whose future no event may lie too far; None where a
    clock of its own ends the run, later than which no event is known. Of several events with one identity the first in
    input order stays; what is refused has taken none (contracts, "Envelope").
    """
    known: dict[tuple[str, str], bytes] = {}
    facts: Counter[str] = Counter()
    events: list[AnyEvent] = []
    refused: list[Refused] = []
    duplicates = 0
    for number, record in numbered:
        try:
            event = decode_record(record.value, record.headers, limits, now)
        except Unacceptable as unacceptable:
            refused.append(Refused(number, record, unacceptable.reason))
            continue
        content = known.get(event.identity)
        if content is not None:
            if content == event.content:
                duplicates += 1
            else:
                refused.append(Refused(number, record, why_refused(event, "conflict")))
            continue
        if event.type != LOCATION_REPORT:
            if facts[event.subject] >= facts_per_case_max:
                refused.append(Refused(number, record, why_refused(event, "full")))
                continue
            facts[event.subject] += 1
        known[event.identity] = event.content
        events.append(event)
    return Settled(events, refused, duplicates)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    with Path(path).open("rb") as raw:
        if path.endswith(".gz"):
            with gzip.open(raw) as unpacked:
                yield cast("BinaryIO", unpacked)
        elif path.endswith(".zst"):
            with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
                yield cast("BinaryIO", io.BufferedReader(reader))
        else:
            yield raw
