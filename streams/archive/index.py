"""Which files of an archive have anything about a case, a partner or an event, so that all others can stay closed.

An index is about files of one topic and day, and follows from them; files that none covers are looked through. It has

- "sop-streams index 1" and a line end, the length of the paths, and the number of entries,
- the paths of the files, one a line,
- for each bucket, how many entries are before it; the first bits of an entry say in which bucket it is,
- the entries, sorted: the CRC-32 of a value in a lookup column, and the number of a file that has it.

Numbers have 8 bytes, little-endian.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from hashlib import sha256
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import Unavailable
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import TEMPORARY, SegmentName
from streams.archive.segment import DamagedSegment, Segment

INDEX: Final = "index"
COLUMNS: Final = ("subject", "id", "case_id")
"""The lookup columns whose values an index has."""
FILES_MIN: Final = 16
"""How many files of a day have to wait for an index before it is written; two once that day is over."""

_MAGIC: Final = b"sop-streams index 1\n"
_HEAD: Final = struct.Struct(f"<{len(_MAGIC)}sQQ")
_BUCKET_BITS: Final = 10
_BUCKETS: Final = 1 << _BUCKET_BITS
_DIRECTORY: Final = struct.Struct(f"<{_BUCKETS + 1}Q")
_ENTRY: Final = struct.Struct("<Q")
_HALF: Final = 32
"""How many bits of an entry are the number of the file; those before it are the hash."""
_NUMBER: Final = (1 << _HALF) - 1
_READ_FIRST: Final = 1 << 16
"""How many bytes of an index are read at first, mostly all but the entries."""

_TopicDay: TypeAlias = tuple[str, date]


def index_path(topic: str, day: date) -> str:
    """Return where the index of the files of a topic and a day is."""
    return f"{INDEX}/{topic}/{day}"


def is_index(path: str) -> bool:
    """Return whether a file of an archive is an index."""
    return path.startswith(f"{INDEX}/")


def values_in(rows: pa.RecordBatch) -> set[str]:
    """Return the values by which some rows can be looked up."""
    return {each for name in COLUMNS for each in pc.unique(rows.column(name)).to_pylist() if each is not None}


def digest_of(values: Iterable[str]) -> bytes:
    """Return what stands for the values of a file."""
    return sha256(_bytes(pa.array(_hashes(values), pa.uint32()))).digest()


class Index(NamedTuple):
    """The paths of the files that an index covers, and its entries."""

    files: Sequence[str]
    entries: pa.Array

    @classmethod
    def decode(cls, content: bytes) -> Index:
        """Return the index in a file; raises ValueError if it is none."""
        try:
            paths, count = _read_head(content)
            body = _HEAD.size + paths
            files = content[_HEAD.size : body].decode().splitlines()
            entries = content[body + _DIRECTORY.size :]
            if len(entries) != count * _ENTRY.size:
                raise ValueError("it is cut off")
            index = cls(files, pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(entries)]))
            if index.encode() != content:
                raise ValueError("its parts do not fit each other")
        except struct.error as error:
            raise ValueError(str(error)) from None
        return index

    def encode(self) -> bytes:
        """Return the content of the file."""
        entries = _sorted(self.entries)
        paths = "".join(f"{each}\n" for each in self.files).encode()
        counts = Counter(pc.shift_right(entries, pa.scalar(64 - _BUCKET_BITS, pa.uint64())).to_pylist())
        before = accumulate((counts[bucket] for bucket in range(_BUCKETS)), initial=0)
        return b"".join(
            [_HEAD.pack(_MAGIC, len(paths), len(entries)), paths, _DIRECTORY.pack(*before), _bytes(entries)]
        )

    def with_files(self, values: Mapping[str, Iterable[str]]) -> Index:
        """Return the index of more files, given by path with the values of each."""
        added = [
            pa.array([each << _HALF | number for each in _hashes(of_file)], pa.uint64())
            for number, of_file in enumerate(values.values(), len(self.files))
        ]
        return Index([*self.files, *values], pa.concat_arrays([self.entries, *added]))

    def digests(self) -> Mapping[str, bytes]:
        """Return what stands for the values of each file; raises ValueError for entries of a file that it has not."""
        half = pa.scalar(_HALF, pa.uint64())
        entries = pc.bit_wise_or(pc.shift_left(self.entries, half), pc.shift_right(self.entries, half))
        entries = _sorted(entries)  # by file
        hashes = pc.bit_wise_and(entries, pa.scalar(_NUMBER, pa.uint64())).cast(pa.uint32())
        found, at = dict.fromkeys(self.files, digest_of(())), 0
        for each in pc.value_counts(pc.shift_right(entries, half)).to_pylist():
            if each["values"] >= len(self.files):
                raise ValueError("it has entries of no file")
            of_file = hashes[at : at + each["counts"]]
            found[self.files[each["values"]]] = sha256(_bytes(of_file)).digest()
            at += each["counts"]
        return found


EMPTY: Final = Index((), pa.array([], pa.uint64()))


class Indexes:
    """The indexes of an archive, to look values up in."""

    def __init__(self, folder: ArchiveFolder) -> None:
        self._folder = folder
        self._paths = frozenset(folder.paths(INDEX))

    def may_have(self, names: Sequence[SegmentName], values: Collection[str]) -> Sequence[SegmentName]:
        """Return those of some files that may have one of these values in a lookup column."""
        hashes = _hashes(values)
        without: set[str] = set()
        for path in {index_path(each.topic, each.day) for each in names} & self._paths:
            without |= self._without(path, hashes)
        return [each for each in names if each.path not in without]

    def _without(self, path: str, hashes: Iterable[int]) -> set[str]:
        """Return the files that an index covers and that have none of these values; none if it cannot be read."""
        try:
            with self._folder.open(path) as file:
                head = file.read_at(_READ_FIRST, 0)
                paths, _ = _read_head(head)
                body = _HEAD.size + paths
                begin = body + _DIRECTORY.size
                if begin > len(head):
                    head = file.read_at(begin, 0)
                files = head[_HEAD.size : body].decode().splitlines()
                before = _DIRECTORY.unpack_from(head, body)
                without = {*files}
                for each in hashes:
                    first, last = before[each >> _HALF - _BUCKET_BITS :][:2]
                    bucket = file.read_at((last - first) * _ENTRY.size, begin + first * _ENTRY.size)
                    for (entry,) in _ENTRY.iter_unpack(bucket):
                        if entry >> _HALF == each:
                            without.discard(files[entry & _NUMBER])
                return without
        except (Unavailable, pa.ArrowException, OSError, ValueError, IndexError, struct.error):
            return set()


class Indexer:
    """Writes the indexes of an archive that has these files; raises `Unavailable` if its folder fails."""

    def __init__(self, folder: ArchiveFolder, names: Iterable[SegmentName]) -> None:
        self._folder = folder
        self._waiting: defaultdict[_TopicDay, list[SegmentName]] = defaultdict(list)
        self._latest: dict[str, date] = {}
        self.add(names)
        indexed = frozenset(folder.paths(INDEX))
        for topic, day in [each for each in self._waiting if index_path(*each) in indexed]:
            waiting = self._waiting.pop((topic, day))
            if day == self._latest[topic]:  # older ones hardly grow: what they lack is looked through
                covered = frozenset(self._index(index_path(topic, day)).files)
                self.add(each for each in waiting if each.path not in covered)

    def add(self, names: Iterable[SegmentName]) -> None:
        """Take notice of files that were written."""
        for name in names:
            self._waiting[name.topic, name.day].append(name)
            self._latest[name.topic] = max(name.day, self._latest.get(name.topic, name.day))

    def write(self) -> str | None:
        """Write an index that is due, and return its path; None if none is."""
        for (topic, day), names in self._waiting.items():
            if len(names) >= (FILES_MIN if day == self._latest[topic] else 2):
                path = index_path(topic, day)
                self._folder.put(path, self._index(path).with_files(dict(self._values(names))).encode())
                del self._waiting[topic, day]
                return path
        return None

    def _values(self, names: Iterable[SegmentName]) -> Iterator[tuple[str, set[str]]]:
        """Yield the values of files; one that is damaged or gone is left out, for whoever looks through it to find."""
        for name in names:
            if self._folder.exists(name.path):
                with suppress(DamagedSegment), Segment(self._folder, name) as segment:
                    yield name.path, {value for rows in segment.rows(COLUMNS) for value in values_in(rows)}

    def _index(self, path: str) -> Index:
        """Return the index at a path; an empty one if there is none, or it is damaged."""
        try:
            return Index.decode(self._folder.read(path) or b"")
        except ValueError:
            return EMPTY


def index_problems(folder: ArchiveFolder, digests: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with the indexes of an archive, given what stands for the values of each of its files."""
    for path in folder.paths(INDEX):
        if path.endswith(TEMPORARY):
            continue
        try:
            found = Index.decode(folder.read(path) or b"").digests()
            if not found:
                raise ValueError("it covers no file")
            for file, digest in found.items():
                name = SegmentName.parse(file)
                if index_path(name.topic, name.day) != path:
                    raise ValueError(f"{file} does not belong there")
                if file not in digests:
                    if not folder.exists(file):  # else it was written meanwhile
                        raise ValueError(f"{file} is not there")
                elif digests[file] != digest:
                    raise ValueError(f"it does not follow from {file}")
        except ValueError as error:
            yield f"{path}: this index is damaged: {error}; without it, files are looked through"


def _hashes(values: Iterable[str]) -> Sequence[int]:
    """Return the hashes of some values, each once, sorted."""
    return sorted({crc32(each.encode()) for each in values})


def _read_head(content: bytes) -> tuple[int, int]:
    """Return how many bytes the paths have, and how many entries there are; raises ValueError for no index."""
    if len(content) < _HEAD.size:
        raise ValueError("it is cut off")
    magic, paths, count = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise ValueError("it is no index")
    return paths, count


def _sorted(numbers: pa.Array) -> pa.Array:
    return numbers.take(pc.array_sort_indices(numbers))


def _bytes(numbers: pa.Array) -> bytes:
    """Return numbers as they are in memory."""
    width = numbers.type.bit_width // 8
    content: bytes = numbers.buffers()[1].to_pybytes() if len(numbers) else b""
    return content[numbers.offset * width : (numbers.offset + len(numbers)) * width]
