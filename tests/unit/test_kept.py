"""What versions left behind when they died is taken over: their checkpoints, outputs and internal records are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
import zstandard

from agents.case import pack_case, unpack_case
from agents.track import Track
from streams.casework.internal import pack, unpack
from streams.stores.memory import MemoryState
from streams.task.progress import pack_progress, unpack_progress
from streams.task.suspects import pack_note, unpack_note
from tests.e2e.verifier import Outcome, outcome
from tests.kept.partition import TOPICS, Partition, Record
from tests.kept.version import Kept, files, load

KEPT = files()


@pytest.fixture(params=KEPT, ids=lambda file: file.name.removesuffix(".json.gz"))
def kept(request: pytest.FixtureRequest) -> Kept:
    file: Path = request.param
    return load(file)


def outcome_of(said: Iterable[Record]) -> Outcome:
    return outcome(json.loads(value) for _, value in said)


async def straight(kept: Kept) -> Outcome:
    """Return what this version makes of all events, with nothing between them."""
    owner = Partition(MemoryState())
    await owner.begin()
    for lines in kept.lines:
        await owner.feed_lines(lines)
    return outcome_of(owner.said)


def test_there_is_something_of_this_version() -> None:
    assert f"{version('sop-streams')}.json.gz" in {file.name for file in KEPT}


async def test_a_new_version_goes_on_where_an_old_one_died(kept: Kept) -> None:
    owner = Partition(kept.state)
    await owner.begin(kept.emitted)
    await owner.feed(kept.read)
    again = {value for _, value in owner.said} & {value for _, value in kept.emitted}
    await owner.feed_lines(kept.lines[2])
    assert again == set()
    assert outcome_of([*kept.said, *kept.emitted, *owner.said]) == await straight(kept)


async def test_a_new_version_without_the_checkpoint_goes_on_from_what_an_old_one_said(kept: Kept) -> None:
    owner = Partition(MemoryState())
    await owner.begin([*kept.said, *kept.emitted])
    for lines in kept.lines:
        await owner.feed_lines(lines)
    assert outcome_of([*kept.said, *kept.emitted, *owner.said]) == await straight(kept)


def decompressed(blob: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(blob)


def test_an_old_version_reads_what_a_new_one_writes() -> None:
    """The newest kept version's bytes come out again as they went in; of older ones only the meaning has to.

    While that version is not released, `python -m tests.kept` writes its file anew.
    """
    kept = load(KEPT[-1])
    cases = [decompressed(blob) for key, blob in kept.blobs.items() if key.startswith("case:")]
    tracks = [blob for key, blob in kept.blobs.items() if key.startswith("partner:")]
    internal = [value for topic, value in kept.read if topic in TOPICS.internal]
    assert [pack_case(unpack_case(each)) for each in cases] == cases
    assert [Track.load(each).dump() for each in tracks] == tracks
    assert [pack(unpack(each)) for each in internal] == internal
    assert pack_progress(unpack_progress(kept.progress)) == kept.progress
    assert pack_note(unpack_note(kept.note)) == kept.note
    assert min(map(len, (cases, tracks, internal))) > 5


def test_what_a_later_version_adds_at_the_end_is_passed_over(kept: Kept) -> None:
    def added(packed: bytes) -> bytes:
        return msgspec.msgpack.encode([*msgspec.msgpack.decode(packed), {"of a later version": [1, None]}])

    for key, blob in kept.blobs.items():
        if key.startswith("case:"):
            case = decompressed(blob)
            assert pack_case(unpack_case(added(case))) == case
        elif key.startswith("partner:"):
            assert Track.load(added(blob)).dump() == Track.load(blob).dump()
    later = json.loads(kept.progress) | {"of a later version": 1}
    assert unpack_progress(json.dumps(later).encode()) == unpack_progress(kept.progress)
