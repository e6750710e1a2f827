"""The record on `internal.progress` that a task publishes with what it says: how far it has read, what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, field

from schemas.errors import Fatal, InvalidMessage
from streams.runtime.ports import TP, Layout, Outgoing, OutputLog, Quarantined, Stored

PROGRESS_KEY: Final = b"progress"
REBUILT_KEY: Final = b"rebuilt"
"""Of a record that `sop rebuild` leaves: only a checkpoint that was made after it knows all of the state."""
LATEST_WITHIN_RECORDS: Final = 50


class Progress(Struct, frozen=True):
    """Positions and counts of one partition number at one moment, by `topic-partition`."""

    now: int
    """The instant (microseconds) up to which deadlines were taken as passed."""
    positions: Mapping[str, int]
    """The next offset to read."""
    consumed: Mapping[str, int]
    """Records read, as whoever hands them to the work counts them."""
    counts: Mapping[str, Mapping[str, int]]
    """What became of them, as the work counts: their sum is `consumed` (architecture, 3.3)."""
    quarantined: Mapping[str, Quarantined] = field(default_factory=dict, name="aside")
    """What is set aside, by name."""
    first_offsets: Mapping[str, int] = field(default_factory=dict, name="begun")
    """The offset from which the state was made."""
    ended_cleanly: bool = field(default=False, name="ended")
    """Whether it is the last one of an owner that ended as it should."""
    skipped: Mapping[str, int] = {}
    """How many offsets of inputs were deleted before they were read, and messages before they were read back."""
    emitted_counts: Mapping[str, int] = field(default_factory=dict, name="said")
    """How many messages were said on each output partition, those of this transaction included."""
    recreated_topics: Mapping[str, Mapping[str, int]] = field(default_factory=dict, name="former")
    """By topic that was created again, the offset of each output partition before which the former one is meant."""
    layout: Layout | None = None
    """The topics in which the positions are; version 0.1 did not say."""


class _Positions(Struct):
    """What the progress of every version has."""

    positions: dict[str, int]


_decoder: Final = msgspec.json.Decoder(Progress)
_any_version: Final = msgspec.json.Decoder(_Positions)


def pack_progress(progress: Progress) -> bytes:
    """Return the record's value, members in key order."""
    return msgspec.json.encode(progress, order="sorted")


def unpack_progress(value: bytes) -> Progress:
    """Return what a record says.

    Raises `InvalidMessage` for what somebody else wrote, and `Fatal` for the progress of a version that tells it in
    another way: without it a case could be decided from less than before.
    """
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        with suppress(ValueError, RecursionError):
            _any_version.decode(value)
            raise Fatal(f"progress of another version, which has to go on from it itself ({error})") from None
        raise InvalidMessage(f"value: no progress ({error})") from None


def progress_in(tp: TP, record: Stored) -> Progress:
    """Return what a record of a partition of `internal.progress` says; raises as `unpack_progress`, with its place."""
    try:
        return unpack_progress(record.value or b"")
    except Fatal as error:
        raise Fatal(f"{tp.name}@{record.offset}: {error}") from None


def count_emitted(said: Mapping[str, int], records: Iterable[Outgoing], topics: Collection[str]) -> dict[str, int]:
    """Return how many messages were said on each output partition when some more are published; `topics` are these."""
    counts = Counter(said)
    counts.update(TP(each.topic, each.partition).name for each in records if each.topic in topics)
    return dict(counts)


class LatestProgress(NamedTuple):
    """What a task told last, and the instant (microseconds) of the record that says so."""

    progress: Progress
    at: int


async def latest_progress(log: OutputLog, tp: TP) -> LatestProgress | None:
    """Return what a partition of `internal.progress` says last, None if nothing; looks at its end before it reads all.

    What no worker wrote is passed over. Raises `Fatal` for what a version tells in another way.
    """
    (_, end) = (await log.bounds([tp]))[tp]
    for start in dict.fromkeys((max(end - LATEST_WITHIN_RECORDS, 0), 0)):
        found: LatestProgress | None = None
        async for records in log.read(tp, start):
            for record in records:
                if record.key == PROGRESS_KEY and record.value is not None:
                    with suppress(InvalidMessage):
                        found = LatestProgress(progress_in(tp, record), record.timestamp * 1000)
        if found is not None:
            return found
    return None
