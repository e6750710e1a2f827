"""Verifies an archive with a public key alone: nothing was altered, left out, added or moved since it was signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from schemas.errors import SopError
from streams.archive.folder import ArchiveFolder
from streams.archive.index import digest_of, index_problems, is_index, values_in
from streams.archive.layout import LOCK, TEMPORARY, SegmentName
from streams.archive.records import places_of, records_of
from streams.archive.segment import DamagedSegment, Segment
from streams.audit.log import LOG, TILES, Checkpoint, open_checkpoint, read_entries
from streams.audit.manifest import Manifest, decode_manifest, record_leaf
from streams.audit.merkle import HASH_BYTES, leaf_hash, root_of
from streams.audit.notary import leaves_path
from streams.audit.note import Verifier
from streams.audit.tiles import CHECKPOINT, Edge, entry_tiles, full_path, is_earlier
from streams.runtime.ports import TP

NOTE: Final = f"{LOG}/{CHECKPOINT}"


class Verified(NamedTuple):
    """How many files and records were verified, under which checkpoint."""

    checkpoint: Checkpoint
    files: int
    records: int


class VerifiedLog(NamedTuple):
    """The log of an archive: its checkpoint, also as the note that was signed, and what it says of each file."""

    note: str
    checkpoint: Checkpoint
    manifests: Sequence[Manifest]


class Altered(SopError):  # noqa: N818 - named as it reads
    """An archive is not what was signed; the message names the first bad record or file."""


def verify_archive(folder: ArchiveFolder, verifier: Verifier, older: str | None = None) -> Verified:
    """Return what was verified; raises `Altered` with the first thing that is wrong, `Unavailable`.

    `older` is an earlier checkpoint of the same log, as somebody else has kept it.
    """
    log = verify_log(folder, verifier, older)
    records, digests = 0, dict[str, bytes]()
    for manifest in log.manifests:
        digests[manifest.file] = digest_of(_verified(folder, manifest))
        records += manifest.rows
    for problem in index_problems(folder, digests):
        raise Altered(problem)
    return Verified(log.checkpoint, len(log.manifests), records)


def verify_log(folder: ArchiveFolder, verifier: Verifier, older: str | None = None) -> VerifiedLog:
    """Return the log of an archive, which accounts for just the files that there are; raises like `verify_archive`."""
    note, log = None, None
    while log is None:
        note = folder.read(NOTE)
        try:
            log = _verified_log(folder, verifier, note)
        except Altered:
            if folder.read(NOTE) == note:  # else the log has grown meanwhile
                raise
    checkpoint, entries, manifests = log
    if older is not None:
        _check_older(older, verifier, checkpoint, entries)
    _check_chains(entries, manifests)
    return VerifiedLog((note or b"").decode(), checkpoint, manifests)


def _verified_log(
    folder: ArchiveFolder, verifier: Verifier, note: bytes | None
) -> tuple[Checkpoint, Sequence[bytes], Sequence[Manifest]]:
    """Return what a checkpoint is about; raises `Altered` unless there are exactly the files that it accounts for."""
    if note is None:
        raise Altered(f"{NOTE}: there is no such file: the archive has no log")
    try:
        checkpoint = open_checkpoint(note.decode(), verifier)
    except ValueError as error:
        raise Altered(f"{NOTE}: {error}") from error
    try:
        entries = read_entries(folder, checkpoint.size)
    except ValueError as error:
        raise Altered(str(error)) from error
    edge, tiles = Edge().grown(entries)
    read = {path for path, _ in entry_tiles(checkpoint.size)}
    for path, expected in tiles.items():
        if path not in read and folder.read(f"{LOG}/{path}") != expected:
            raise Altered(f"{LOG}/{path}: it does not follow from the entries of the log")
    if edge.root != checkpoint.root:
        raise Altered(f"{LOG}: its entries are not those that were signed")
    manifests = _manifests(entries)
    _check_files(folder, tiles, manifests)
    return checkpoint, entries, manifests


def _check_older(older: str, verifier: Verifier, checkpoint: Checkpoint, entries: Sequence[bytes]) -> None:
    try:
        before = open_checkpoint(older, verifier)
    except ValueError as error:
        raise Altered(f"the older checkpoint: {error}") from error
    if before.size > checkpoint.size:
        raise Altered(
            f"{LOG}: it was cut off: it has {checkpoint.size} entries, and had {before.size} in the older checkpoint"
        )
    edge, _ = Edge().grown(entries[: before.size])
    if edge.root != before.root:
        raise Altered(f"{LOG}: its history is another one than that of the older checkpoint, of {before.size} entries")


def _manifests(entries: Sequence[bytes]) -> Sequence[Manifest]:
    manifests = []
    for number, entry in enumerate(entries):
        try:
            manifests.append(decode_manifest(entry))
            _ = manifests[-1].name
        except ValueError as error:
            raise Altered(f"{LOG}: entry {number} is not a manifest: {error}") from error
    return manifests


def _check_chains(entries: Sequence[bytes], manifests: Sequence[Manifest]) -> None:
    """Raise `Altered` unless each manifest follows the one before it of its partition, without a gap."""
    last: dict[TP, tuple[SegmentName, str]] = {}
    for entry, manifest in zip(entries, manifests, strict=True):
        name = manifest.name
        before, before_hash = last.get(name.tp, (None, None))
        if manifest.previous != before_hash:
            raise Altered(f"{manifest.file}: its manifest does not follow the one before it")
        if before is not None:
            _check_order(before, name)
        last[name.tp] = (name, leaf_hash(entry).hex())


def _check_order(before: SegmentName, name: SegmentName) -> None:
    if name.generation == before.generation and name.first != before.next:
        what = "missing" if name.first > before.next else "there twice"
        first, last = sorted((before.next, name.first))
        raise Altered(f"{name.tp.name}: offsets {first} to {last - 1} are {what}, before {name.path}")
    if name.generation < before.generation:
        raise Altered(f"{name.path}: it does not follow {before.path}")


def _check_files(folder: ArchiveFolder, tiles: Mapping[str, bytes], manifests: Sequence[Manifest]) -> None:
    """Raise `Altered` if there are other files than those that the log accounts for."""
    expected = {NOTE, *(f"{LOG}/{path}" for path in tiles)}
    for manifest in manifests:
        expected |= {manifest.file, leaves_path(manifest.name)}
    found = {path for path in folder.paths() if not (path.endswith(TEMPORARY) or path == LOCK or is_index(path))}
    for path in sorted(expected - found):
        raise Altered(f"{path}: there is no such file")
    whole = {full_path(path): tile for path, tile in tiles.items()}
    for path in sorted(found - expected):
        is_tile = path.startswith(f"{TILES}/")
        if not (is_tile and is_earlier(path.removeprefix(f"{LOG}/"), folder.read(path) or b"", whole)):
            raise Altered(f"{path}: the log does not know this file: it was added, or is not signed yet")


class VerifiedSegments:
    """Opens files of an archive that are as its log says; each is read from the same bytes that were verified."""

    def __init__(self, folder: ArchiveFolder, manifests: Iterable[Manifest]) -> None:
        self._folder = folder
        self._manifests = {manifest.name: manifest for manifest in manifests}

    def __call__(self, name: SegmentName) -> Segment:
        """Return a file, open; raises `Altered` at its first record that is not what was signed."""
        manifest = self._manifests[name]
        content = self._folder.read(name.path) or b""
        if sha256(content).hexdigest() != manifest.sha256:
            _verified(self._folder, manifest)
            raise Altered(f"{name.path}: it was altered while the archive was read")
        return Segment(self._folder, name, content)


def _verified(folder: ArchiveFolder, manifest: Manifest) -> set[str]:
    """Return the values by which the records of a file can be looked up.

    Raises `Altered` at its first record that is not what was signed.
    """
    name = manifest.name
    signed = folder.read(leaves_path(name)) or b""
    leaves = [signed[at : at + HASH_BYTES] for at in range(0, len(signed), HASH_BYTES)]
    if root_of(leaves).hex() != manifest.root or len(leaves) != manifest.rows:
        raise Altered(f"{leaves_path(name)}: it is not what was signed")
    content = folder.read(name.path) or b""
    try:
        rows, values = _read(folder, name, content)
    except DamagedSegment as error:
        raise Altered(str(error)) from error
    if [leaf for _, leaf in rows] != leaves:
        raise Altered(f"{name.path}: {name.tp.name}{_difference(rows, leaves)}")
    if sha256(content).hexdigest() != manifest.sha256:
        raise Altered(f"{name.path}: its records are those that were signed, but other bytes of the file are not")
    return values


def _read(folder: ArchiveFolder, name: SegmentName, content: bytes) -> tuple[Sequence[tuple[int, bytes]], set[str]]:
    """Return the offset and the leaf of each record of a file, and the values by which they can be looked up."""
    leaves: list[tuple[int, bytes]] = []
    values: set[str] = set()
    with Segment(folder, name, content) as segment:
        for rows in segment.rows():
            values |= values_in(rows)
            leaves += (
                (record.offset, record_leaf(topic, partition, record))
                for (topic, partition), record in zip(places_of(rows), records_of(rows), strict=True)
            )
    return leaves, values


def _difference(rows: Sequence[tuple[int, bytes]], leaves: Sequence[bytes]) -> str:
    """Return which record is the first that is not the one which was signed, and what became of it."""
    at = next((at for at, (row, leaf) in enumerate(zip(rows, leaves, strict=False)) if row[1] != leaf), None)
    if at is None:
        at = min(len(rows), len(leaves))
        if len(rows) > at:
            return f"@{rows[at][0]}: this record was added"
        return f": records behind offset {rows[-1][0]} are missing" if rows else ": all records are missing"
    offset, leaf = rows[at]
    is_signed, is_there = leaf in leaves[at:], leaves[at] in {each for _, each in rows[at:]}
    if is_signed and is_there:
        return f"@{offset}: this record is out of its order"
    if is_signed:
        return f": a record between offsets {rows[at - 1][0] if at else 'before the first'} and {offset} is missing"
    return f"@{offset}: this record was added" if is_there else f"@{offset}: this record was altered"
