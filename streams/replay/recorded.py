"""Recorded events: JSON Lines files, plain or compressed, read with what could not be accepted set apart."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from schemas.codec import decode_record
from schemas.errors import Unacceptable, UsageError
from schemas.events import AnyEvent
from schemas.limits import Limits


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded message: where it lies (for a file: its name, 0, the line from 1), and its bytes.

    `timestamp` is the broker's in milliseconds, where there was one.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A recorded message that cannot be accepted, and why."""

    record: Recorded
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
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
                if value.strip():
                    yield Recorded(path, 0, number, value)
    except (OSError, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path}: cannot be read: {reason}") from error


def read(
    value: bytes | None, headers: tuple[tuple[str, bytes], ...], timestamp: int | None, limits: Limits
) -> AnyEvent | str:
    """Return the event that a record holds, or why it cannot be accepted."""
    try:
        return decode_record(value, headers, limits, None if timestamp is None else timestamp * 1000)
    except Unacceptable as refused:
        return refused.reason


def settle(records: Iterable[Recorded], limits: Limits) -> Settled:
    """Decode records in input order and tell events from duplicates, conflicts and what cannot be accepted."""
    return settle_read((each, read(each.value, each.headers, each.timestamp, limits)) for each in records)


def settle_read(records: Iterable[tuple[Recorded, AnyEvent | str]]) -> Settled:
    """Return an input settled of which each record is given with what `read` returned.

    Of several events with one identity the first in input order stays (contracts, "Envelope").
    """
    known: dict[tuple[str, str], bytes] = {}
    settled = Settled([], [], 0)
    duplicates = 0
    for record, event in records:
        if isinstance(event, str):
            settled.refused.append(Refused(record, event))
            continue
        content = known.setdefault(event.identity, event.content)
        if content is event.content:
            settled.events.append(event)
        elif content == event.content:
            duplicates += 1
        else:
            settled.refused.append(Refused(record, f"id: {event.ref} is known with other content"))
    return Settled(settled.events, settled.refused, duplicates)


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
