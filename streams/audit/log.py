"""The append-only log of an archive: manifests of its files, in the folder `log` (C2SP tlog-tiles, tlog-checkpoint)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from schemas.errors import Fatal, Unavailable
from streams.archive.folder import ArchiveFolder
from streams.audit.merkle import HASH_BYTES
from streams.audit.note import Signer, Verifier, open_note, signed_note
from streams.audit.tiles import CHECKPOINT, PARTIAL, Edge, entries_in, entry_tiles, full_path, is_earlier, tile_paths

LOG: Final = "log"
TILES: Final = f"{LOG}/tile"


class Checkpoint(NamedTuple):
    """What the owner of a log has signed: how many entries it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in the text of a note; raises ValueError if it is none."""
        origin, size, root, *_ = [*text.split("\n"), "", ""]
        found = base64.b64decode(root, validate=True)
        if not (origin and size.isdecimal() and size.isascii() and str(int(size)) == size) or len(found) != HASH_BYTES:
            raise ValueError("it is not a checkpoint")
        return cls(origin, int(size), found)


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint in a note; raises ValueError with the reason if this key has not signed it."""
    checkpoint = Checkpoint.parse(open_note(note, verifier))
    if checkpoint.origin != verifier.name:
        raise ValueError(f"it is of the log {checkpoint.origin}, not of {verifier.name}")
    return checkpoint


def read_entries(folder: ArchiveFolder, size: int) -> list[bytes]:
    """Return the first entries of a log; raises ValueError, naming the file, if a tile is absent or damaged."""
    entries: list[bytes] = []
    for path, count in entry_tiles(size):
        tile = folder.read(f"{LOG}/{path}")
        if tile is None:
            raise ValueError(f"{LOG}/{path}: there is no such file")
        try:
            entries += entries_in(tile, count)
        except ValueError as error:
            raise ValueError(f"{LOG}/{path}: {error}") from None
    return entries


def read_log(folder: ArchiveFolder, verifier: Verifier) -> tuple[Edge, Sequence[bytes]]:
    """Return the right edge and the entries of a log, none if there is no log.

    Raises `Fatal` if the log is not as this key has signed it.
    """
    note = folder.read(f"{LOG}/{CHECKPOINT}")
    if note is None:
        return Edge(), ()
    try:
        checkpoint = open_checkpoint(note.decode(), verifier)
        entries = read_entries(folder, checkpoint.size)
        edge, _ = Edge().grown(entries)
        if edge.root != checkpoint.root:
            raise ValueError("its entries are not those that were signed")
    except ValueError as error:
        raise Fatal(f"{folder.address}: {LOG}/{CHECKPOINT}: {error}") from error
    return edge, entries


class LogWriter:
    """Appends to a log with this right edge and signs it. The log belongs to one process at a time.

    What it takes to append an entry grows with the logarithm of the size. Raises `Unavailable` if the folder fails.
    """

    def __init__(self, folder: ArchiveFolder, signer: Signer, edge: Edge) -> None:
        self._folder, self._signer, self._edge = folder, signer, edge
        self._left_behind: set[str] = set()
        """Tiles that were written, and may be neither those of the log nor those that it had at a smaller size."""
        known = {*tile_paths(edge.size)}
        for path in self._paths(TILES):  # of a process that ended before it signed, or before it deleted them
            if path not in known and not self._is_earlier(path):
                folder.delete(f"{LOG}/{path}")

    def append(self, entries: Sequence[bytes]) -> str:
        """Append entries, sign the log and return its checkpoint. If that fails, nothing was appended."""
        edge, tiles = self._edge.grown(entries)
        self._left_behind |= {*tiles}
        for path, tile in tiles.items():
            self._folder.put(f"{LOG}/{path}", tile)
        note = signed_note(str(Checkpoint(self._signer.verifier.name, edge.size, edge.root)), self._signer)
        self._folder.put(f"{LOG}/{CHECKPOINT}", note.encode())
        full = tiles.keys() & map(full_path, self._edge.partial)
        self._edge = edge
        self._left_behind -= {*edge.partial, *tiles}
        self._delete_left_behind(full)
        return note

    def _delete_left_behind(self, full: Iterable[str]) -> None:
        """Delete tiles of failed attempts, and the narrower ones of those that are full now.

        What fails is tried again later, at the latest by the next process.
        """
        with suppress(Unavailable):
            for path in sorted(full):
                self._left_behind |= {*self._paths(f"{LOG}/{path}{PARTIAL}")}
            for path in sorted(self._left_behind):
                if not self._is_earlier(path):
                    self._folder.delete(f"{LOG}/{path}")
                self._left_behind.discard(path)

    def _paths(self, under: str) -> list[str]:
        return [path.removeprefix(f"{LOG}/") for path in self._folder.paths(under)]

    def _is_earlier(self, path: str) -> bool:
        tiles = {full_path(each): tile for each, tile in self._edge.partial.items()}
        return is_earlier(path, self._folder.read(f"{LOG}/{path}") or b"", tiles)
