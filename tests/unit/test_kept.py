"""The present version takes over from every released one: it reads its checkpoints, outputs and internal records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
import zstandard

from agents.case_state import pack_case, unpack_case
from agents.presence.track import Track
from streams.memory.store import MemoryState
from streams.processor.internal_messages import pack, unpack
from streams.runtime.poison_isolation import pack_attempt_log, unpack_attempt_log
from streams.runtime.progress import pack_progress, unpack_progress
from tests.e2e.verifier import Outcome, outcome
from tests.kept.partition import TOPICS, Partition, Record
from tests.kept.version import Kept, files, load

KEPT = files()


@pytest.fixture(params=KEPT, ids=lambda file: file.name.removesuffix(".json.gz"))
def kept(request: pytest.FixtureRequest) -> Kept:
    file: Path = request.param
    return load(file)


def outcome_of(records: Iterable[Record]) -> Outcome:
    return outcome(json.loads(value) for _, value in records)


async def undisturbed(kept: Kept) -> Outcome:
    """Return the outcome of all events in this version alone."""
    owner = Partition(MemoryState())
    await owner.begin()
    for lines in kept.lines:
        await owner.feed_lines(lines)
    return outcome_of(owner.emitted)


def test_this_version_has_a_file() -> None:
    assert f"{version('sop-streams')}.json.gz" in {file.name for file in KEPT}


async def test_a_new_version_resumes_where_an_old_one_died(kept: Kept) -> None:
    owner = Partition(kept.state)
    await owner.begin(kept.emitted)
    await owner.feed(kept.read)
    again = {value for _, value in owner.emitted} & {value for _, value in kept.emitted}
    await owner.feed_lines(kept.lines[2])
    # the old version's rules may have decided otherwise, and nothing else may come for a case
    await owner.decide_again([key for key in kept.blobs if key.startswith("case:")])
    assert again == set()
    assert outcome_of([*kept.emitted_before, *kept.emitted, *owner.emitted]) == await undisturbed(kept)


async def test_a_new_version_without_the_checkpoint_resumes_from_the_outputs(kept: Kept) -> None:
    owner = Partition(MemoryState())
    await owner.begin([*kept.emitted_before, *kept.emitted])
    for lines in kept.lines:
        await owner.feed_lines(lines)
    assert outcome_of([*kept.emitted_before, *kept.emitted, *owner.emitted]) == await undisturbed(kept)


def decompressed(blob: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(blob)


def adds_only_at_the_end(new: bytes, old: bytes) -> bool:
    """Return whether packed bytes equal others, except for members at the end of their arrays and in their maps.

    An older version's structs ignore these.
    """
    return _begins_as(msgspec.msgpack.decode(new), msgspec.msgpack.decode(old))


def _begins_as(new: object, old: object) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(new) >= len(old) and all(map(_begins_as, new, old))
    if isinstance(old, dict) and isinstance(new, dict):
        return new.keys() >= old.keys() and all(_begins_as(new[key], old[key]) for key in old)
    return new == old


@pytest.mark.parametrize(
    ("new", "old", "holds"),
    [
        ([1, [2, 3], {"a": [4]}], [1, [2], {"a": [4]}], True),
        ([1, [2, 3]], [1, [2, 3]], True),
        ([1], [1, 2], False),
        ([1, [3, 2]], [1, [2]], False),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 2}, {"a": 1}, False),
    ],
)
def test_only_members_at_the_end_are_additions(new: object, old: object, *, holds: bool) -> None:
    assert adds_only_at_the_end(msgspec.msgpack.encode(new), msgspec.msgpack.encode(old)) is holds


def test_an_old_version_reads_what_a_new_one_writes(kept: Kept) -> None:
    cases = [decompressed(blob) for key, blob in kept.blobs.items() if key.startswith("case:")]
    tracks = [blob for key, blob in kept.blobs.items() if key.startswith("partner:")]
    internal = [value for topic, value in kept.read if topic in TOPICS.internal]
    assert all(adds_only_at_the_end(pack_case(unpack_case(each)), each) for each in cases)
    assert all(adds_only_at_the_end(Track.load(each).dump(), each) for each in tracks)
    assert all(adds_only_at_the_end(pack(unpack(each)), each) for each in internal)
    written, original = json.loads(pack_progress(unpack_progress(kept.progress))), json.loads(kept.progress)
    assert {**written, **original} == written, "an older version ignores members that were added later"
    assert pack_attempt_log(unpack_attempt_log(kept.note)) == kept.note
    assert min(map(len, (cases, tracks, internal))) > 5


def test_members_that_a_later_version_adds_are_ignored(kept: Kept) -> None:
    def added(packed: bytes) -> bytes:
        return msgspec.msgpack.encode([*msgspec.msgpack.decode(packed), {"of a later version": [1, None]}])

    for key, blob in kept.blobs.items():
        if key.startswith("case:"):
            case = pack_case(unpack_case(decompressed(blob)))
            assert pack_case(unpack_case(added(case))) == case
        elif key.startswith("partner:"):
            track = Track.load(blob).dump()
            assert Track.load(added(track)).dump() == track
    later = json.loads(kept.progress) | {"of a later version": 1}
    assert unpack_progress(json.dumps(later).encode()) == unpack_progress(kept.progress)
