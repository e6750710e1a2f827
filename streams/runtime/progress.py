"""The progress record that a task publishes with its outputs: how far it has read and what became of the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, field

from schemas.errors import Fatal, InvalidMessage
from streams.runtime.ports import TP, Layout, Outgoing, OutputLog, Quarantined, Stored

PROGRESS_KEY: Final = b"progress"
REBUILT_KEY: Final = b"rebuilt"
"""The key of a record that `sop rebuild` writes: only a checkpoint made after it has all of the state."""
LATEST_OUTDATED_KEY: Final = b"latest"
"""The key of a record after which the topic of latest decisions has to be filled before progress is published again.

Its value has the keys to remove there first (`pack_keys`).
"""
LATEST_WITHIN_RECORDS: Final = 50


class Progress(Struct, frozen=True):
    """Positions and counts of one partition number at one moment, by `topic-partition`, as `Checkpoint` has them."""

    now: int
    """The instant (microseconds) up to which deadlines have passed."""
    positions: Mapping[str, int]
    """The next offset to read."""
    consumed: Mapping[str, int]
    """How many records were processed, counted by the task."""
    counts: Mapping[str, Mapping[str, int]]
    """Their dispositions, counted by the processor: the sum is `consumed` (runtime.md, "Delivery guarantees")."""
    quarantined: Mapping[str, Quarantined] = field(default_factory=dict, name="aside")
    first_offsets: Mapping[str, int] = field(default_factory=dict, name="begun")
    ended_cleanly: bool = field(default=False, name="ended")
    skipped: Mapping[str, int] = {}
    emitted_counts: Mapping[str, int] = field(default_factory=dict, name="said")
    """Includes the messages of the same transaction."""
    recreated_topics: Mapping[str, Mapping[str, int]] = field(default_factory=dict, name="former")
    layout: Layout | None = None


NO_PROGRESS: Final = Progress(now=0, positions={}, consumed={}, counts={})


class _AnyVersion(Struct):
    """What the progress of every version has."""

    positions: dict[str, int]


_decoder: Final = msgspec.json.Decoder(Progress)
_any_version: Final = msgspec.json.Decoder(_AnyVersion)


def pack_progress(progress: Progress) -> bytes:
    """Return the record's value, members in key order."""
    return msgspec.json.encode(progress, order="sorted")


def unpack_progress(value: bytes) -> Progress:
    """Return the progress in a record's value.

    Raises `InvalidMessage` for a record of another producer, and `Fatal` for progress in the format of another version:
    without it a case could be decided on fewer facts than before.
    """
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        with suppress(ValueError, RecursionError):
            _any_version.decode(value)
            raise Fatal(f"progress of another version, and only that version can continue from it ({error})") from None
        raise InvalidMessage(f"value: no progress ({error})") from None


def pack_keys(keys: Sequence[bytes]) -> bytes:
    """Return the value of a record with `LATEST_OUTDATED_KEY`."""
    return msgspec.json.encode(keys)


def unpack_keys(value: bytes) -> list[bytes]:
    """Return the keys in such a value; raises `InvalidMessage` for a record of another producer."""
    try:
        return msgspec.json.decode(value, type=list[bytes])
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: no list of keys ({error})") from None


def progress_in(tp: TP, record: Stored) -> Progress:
    """Return the progress in a record of a partition; raises as `unpack_progress` does, with the record's place."""
    try:
        return unpack_progress(record.value or b"")
    except Fatal as error:
        raise Fatal(f"{tp.name}@{record.offset}: {error}") from None


def count_emitted(counts: Mapping[str, int], records: Iterable[Outgoing], topics: Collection[str]) -> dict[str, int]:
    """Return how many messages each partition of the output `topics` has had after `records` are published."""
    total = Counter(counts)
    total.update(TP(each.topic, each.partition).name for each in records if each.topic in topics)
    return dict(total)


class LatestProgress(NamedTuple):
    """The progress that a task published last, and the instant (microseconds) of its record."""

    progress: Progress
    at: int


async def latest_progress(log: OutputLog, tp: TP) -> LatestProgress | None:
    """Return the latest progress in a partition, None if there is none; tries its end before it reads all of it.

    Skips records of other producers. Raises `Fatal` for progress in the format of another version.
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
