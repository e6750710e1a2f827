"""The append-only log of an archive: manifests of its files, in the folder `log` (C2SP tlog-tiles, tlog-checkpoint)."""

from __future__ import annotations

import base64
from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from schemas.errors import Fatal
from streams.archive.folder import ArchiveFolder
from streams.audit.merkle import HASH_BYTES, leaf_hash, root_of
from streams.audit.note import Signer, Verifier, open_note, signed_note
from streams.audit.tiles import CHECKPOINT, entries_in, entry_tiles, tiles_of

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


class LogWriter:
    """Appends to a log and signs it. The log belongs to one process at a time.

    Raises `Fatal` if the log is not as this key has signed it, `Unavailable` if the folder fails.
    """

    def __init__(self, folder: ArchiveFolder, signer: Signer) -> None:
        self._folder, self._signer = folder, signer
        self.entries: list[bytes] = []
        note = folder.read(f"{LOG}/{CHECKPOINT}")
        if note is not None:
            try:
                checkpoint = open_checkpoint(note.decode(), signer.verifier)
                self.entries = read_entries(folder, checkpoint.size)
                if root_of([leaf_hash(each) for each in self.entries]) != checkpoint.root:
                    raise ValueError("its entries are not those that were signed")
            except ValueError as error:
                raise Fatal(f"{folder.address}: {LOG}/{CHECKPOINT}: {error}") from error
        self._delete_others(tiles_of(self.entries))

    def append(self, entries: Sequence[bytes]) -> str:
        """Append entries, sign the log and return its checkpoint. If that fails, nothing was appended."""
        grown = [*self.entries, *entries]
        for path, tile in tiles_of(grown, len(self.entries)).items():
            self._folder.put(f"{LOG}/{path}", tile)
        root = root_of([leaf_hash(each) for each in grown])
        note = signed_note(str(Checkpoint(self._signer.verifier.name, len(grown), root)), self._signer)
        self._folder.put(f"{LOG}/{CHECKPOINT}", note.encode())
        self.entries = grown
        self._delete_others(tiles_of(grown))
        return note

    def _delete_others(self, tiles: Container[str]) -> None:
        """Delete what is left of narrower tiles, and of a process that ended before it signed."""
        for path in self._folder.paths(TILES):
            if path.removeprefix(f"{LOG}/") not in tiles:
                self._folder.delete(path)
