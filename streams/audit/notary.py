"""Enters the files of an archive into its log, as they are on the disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schemas.errors import Fatal
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SUFFIX, SegmentName
from streams.archive.segment import Segment
from streams.audit.log import LOG, LogWriter, read_log
from streams.audit.manifest import decode_manifest, encode_manifest, manifest_of, record_leaf
from streams.audit.merkle import root_of
from streams.audit.note import Signer
from streams.runtime.ports import TP

LEAVES: Final = f"{LOG}/leaves"


def leaves_path(name: SegmentName) -> str:
    """Return where the leaves of a file are: the hashes of its records, one after the other."""
    return f"{LEAVES}/{name.path.removesuffix(SUFFIX)}"


class Notary:
    """Has the log say what each file contains; raises `Fatal` if what the log says and what there is do not fit."""

    def __init__(self, folder: ArchiveFolder, signer: Signer) -> None:
        self._folder = folder
        edge, entries = read_log(folder, signer.verifier)
        self._log = LogWriter(folder, signer, edge)
        self._entered: set[str] = set()
        self._last: dict[TP, bytes] = {}
        self._unsigned: list[bytes] = []
        """Entries that the log was given and may not have. A folder may fail once it has the checkpoint over them, and
        somebody have read it: whatever is entered next comes behind them, in this order."""
        for entry in entries:
            manifest = decode_manifest(entry)
            self._entered.add(manifest.file)
            self._last[manifest.name.tp] = entry

    def enter(self, names: Iterable[SegmentName]) -> str | None:
        """Enter the files that the log does not have; return the new checkpoint, None if there is nothing new.

        Raises `Unavailable` if the folder fails: what it may not have is entered with the next call.
        """
        for name in sorted(names):
            if name.path not in self._entered:
                entry = self._entry(name, self._last.get(name.tp))
                self._entered.add(name.path)
                self._last[name.tp] = entry
                self._unsigned.append(entry)
        if not self._unsigned:
            return None
        note = self._log.append(self._unsigned)
        self._unsigned.clear()
        return note

    def _entry(self, name: SegmentName, before: bytes | None) -> bytes:
        """Return the manifest of a file; its leaves are beside the log then."""
        content = self._folder.read(name.path)
        if content is None:
            raise Fatal(f"{name.path}: it has disappeared")
        with Segment(self._folder, name, content) as segment:
            leaves = [record_leaf(name.topic, name.partition, each) for each in segment.records()]
        self._folder.put(leaves_path(name), b"".join(leaves))
        return encode_manifest(manifest_of(name, content, root_of(leaves), len(leaves), before))
