"""What tests of archives share: an archive of some records, its key, and ways to alter it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from schemas.errors import Unavailable
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.audit.keys import make_key, read_signer
from streams.audit.notary import Notary
from streams.audit.note import Verifier
from streams.runtime.ports import TP
from streams.sealing.person_keys import PersonKeys
from surfaces.archive.store import ArchiveStore
from surfaces.sink.ports import Position, Record

DAY_MS = 86_400_000
NOW_US = 1_764_300_000_000_000
TOPIC_ID = "Zr1a/m4bTyqU8aX0+HVc3w"
LOG = "example.com/archive"
JOBS, OTHERS = TP("jobs", 0), TP("jobs", 1)
ROWS = 30


class StoppedClock:
    """A clock at an instant (microseconds)."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us


def record(tp: TP, offset: int, value: bytes | None = b"{}", **more: object) -> Record:
    """Return a record of a topic."""
    given: dict[str, object] = {"timestamp": NOW_US // 1000, "key": b"k", "headers": (), **more}
    return Record(tp, TOPIC_ID, offset, value=value, **given)  # type: ignore[arg-type]


@dataclass
class Archived:
    """An archive in a folder, with the key of its log."""

    path: Path
    key: Path
    verifier: Verifier

    @property
    def folder(self) -> ArchiveFolder:
        return ArchiveFolder(str(self.path))

    def add(
        self, records: Iterable[Record], *, file_bytes: int = 1 << 20, keys: PersonKeys | None = None
    ) -> Sequence[SegmentName]:
        """Write records into files, sealed if there are keys, and enter these into the log."""
        store = ArchiveStore(self.folder, StoppedClock(), file_bytes=file_bytes, file_age_s=1.0, keys=keys)
        for each in records:
            known = store.positions().get(each.tp)
            if known is None or known.topic_id != each.topic_id:
                store.write((), {each.tp: Position(each.topic_id, each.offset)})
            store.write([each], {each.tp: Position(each.topic_id, each.offset + 1)})
        names = store.flush(is_end=True)
        self.notary().enter(names)
        return names

    def notary(self) -> Notary:
        return Notary(self.folder, read_signer(str(self.key)))


def archived_in(path: Path) -> Archived:
    """Return an archive with three files of one partition and one of another; some offsets are those of markers."""
    found = archive_in(path)
    offsets = [each for each in range(2, 2 + ROWS) if each % 7]
    for part in (offsets[:8], offsets[8:16], offsets[16:]):
        found.add(record(JOBS, offset, b'{"n":%d}' % offset) for offset in part)
    found.add(record(OTHERS, offset) for offset in range(4))
    return found


def file_of(archived: Archived, number: int) -> SegmentName:
    """Return the name of a file of an archive, by its number."""
    return archived.folder.names()[number]


class WatchedFolder(ArchiveFolder):
    """Notes each call with its path, and how many bytes are written; `delete` fails unless `deletes`."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.calls: list[tuple[str, str]] = []
        self.written = 0
        self.deletes = True

    def paths(self, under: str = "") -> list[str]:
        self.calls.append(("paths", under))
        return super().paths(under)

    def read(self, path: str) -> bytes | None:
        self.calls.append(("read", path))
        return super().read(path)

    def open(self, path: str) -> pa.NativeFile:
        self.calls.append(("open", path))
        return super().open(path)

    def put(self, path: str, content: bytes | pa.Buffer) -> None:
        self.calls.append(("put", path))
        self.written += len(bytes(content))
        super().put(path, content)

    def delete(self, path: str) -> None:
        self.calls.append(("delete", path))
        if not self.deletes:
            raise Unavailable(path)
        super().delete(path)

    def called(self, call: str) -> list[str]:
        """Return the paths of the calls of a method."""
        return [path for each, path in self.calls if each == call]


def archive_in(path: Path) -> Archived:
    """Return an archive without records, in a folder to be made."""
    key = path.with_suffix(".key")
    return Archived(path, key, make_key(LOG, str(key)))


def kept(records: Iterable[Record]) -> list[ArchivedRecord]:
    """Return records as an archive has them."""
    return [
        ArchivedRecord(each.offset, each.timestamp, each.key, each.value, tuple(each.headers), each.original_sizes)
        for each in records
    ]
