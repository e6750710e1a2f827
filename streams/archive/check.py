"""Finds out from the files of an archive alone whether every record is there, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from streams.archive.folder import ArchiveFolder
from streams.archive.index import digest_of, index_problems, is_index, values_in
from streams.archive.layout import SUFFIX, SegmentName
from streams.archive.lookup import lookup_of
from streams.archive.records import lookups_of, places_of, records_of
from streams.archive.segment import DamagedSegment, Segment


@dataclass(slots=True)
class Checked:
    """What an archive has, and what is wrong with it, the first problem of each partition and file."""

    files: int = 0
    records: int = 0
    partitions: int = 0
    problems: list[str] = field(default_factory=list)


def check_archive(folder: ArchiveFolder) -> Checked:
    """Return what the files of an archive are and what is wrong with them; raises `Unavailable`."""
    checked = Checked()
    paths = folder.paths()
    names = []
    for path in paths:
        try:
            names.append(SegmentName.parse(path))
        except ValueError:
            if path.endswith(SUFFIX) and not is_index(path):
                checked.problems.append(f"{path}: no file of an archive has such a name")
    names.sort()
    digests: dict[str, bytes] = {}
    checked.files = len(names)
    for _, of_partition in groupby(names, key=lambda each: each.tp):
        checked.partitions += 1
        previous: SegmentName | None = None
        for name in of_partition:
            checked.problems += _between(previous, name)
            previous = name
            try:
                checked.records += _check_segment(folder, name, digests)
            except DamagedSegment as error:
                checked.problems.append(str(error))
    checked.problems += index_problems(folder, digests)
    return checked


def _between(before: SegmentName | None, name: SegmentName) -> Iterator[str]:
    """Yield what is wrong between a file and the one before it."""
    if name.first > name.next:
        yield f"{name.path}: it ends before it begins"
    if before is None:
        if name.generation:
            yield f"{name.path}: nothing of the topic before it was created again"
    elif before.generation == name.generation:
        if before.topic_id != name.topic_id:
            yield f"{name.path}: another topic than {before.path}"
        elif name.first > before.next:
            yield f"{name.tp.name}: offsets {before.next} to {name.first - 1} are missing, before {name.path}"
        elif name.first < before.next:
            yield f"{name.tp.name}: offsets {name.first} to {before.next - 1} are there twice, in {name.path} too"
    elif name.generation != before.generation + 1 or name.topic_id == before.topic_id:
        yield f"{name.path}: it does not follow {before.path}"


def _check_segment(folder: ArchiveFolder, name: SegmentName, digests: dict[str, bytes]) -> int:
    """Return how many records a file has, and note what indexes have of it; raises `DamagedSegment`, `Unavailable`."""
    count, expected, values = 0, name.first, set[str]()
    with Segment(folder, name) as segment:
        for rows in segment.rows():
            values |= values_in(rows)
            for (topic, partition), record, lookup in zip(
                places_of(rows), records_of(rows), lookups_of(rows), strict=True
            ):
                if (topic, partition) != name.tp or not expected <= record.offset < name.next:
                    raise DamagedSegment(f"{name.path}: {topic}-{partition}@{record.offset} is not in its place")
                if lookup != lookup_of(name.topic, record):
                    raise DamagedSegment(f"{name.path}: {name.tp.name}@{record.offset}: its columns say something else")
                expected = record.offset + 1
                count += 1
    digests[name.path] = digest_of(values)
    if expected != name.next:
        raise DamagedSegment(f"{name.path}: offsets {expected} to {name.next - 1} are missing")
    return count
