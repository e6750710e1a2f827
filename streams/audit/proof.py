"""Proves with one small file that a record was archived and signed, to somebody who has the public key alone."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from schemas.errors import SopError, UsageError
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.archive.segment import Segment
from streams.audit.log import LOG, Checkpoint, open_checkpoint, read_entries
from streams.audit.manifest import Manifest, decode_manifest, read_record_bytes, record_bytes
from streams.audit.merkle import HASH_BYTES, inclusion_proof, leaf_hash, root_from_inclusion
from streams.audit.notary import leaves_path
from streams.audit.note import Verifier
from streams.audit.tiles import CHECKPOINT

FORMAT: Final = "sop-streams-proof/1"


class NotProven(SopError):  # noqa: N818 - named as it reads
    """A proof does not hold; the message says why."""


class Proof(Struct, frozen=True, kw_only=True):
    """A record, the way from it to the root of its file, and from there to a signed checkpoint; bytes are base64."""

    format: str
    checkpoint: str
    manifest: str
    manifest_index: int
    manifest_proof: Sequence[str]
    record: str
    record_index: int
    record_proof: Sequence[str]


class Proven(NamedTuple):
    """What a proof shows: a record, in which file of the archive, under which checkpoint."""

    topic: str
    partition: int
    record: ArchivedRecord
    manifest: Manifest
    checkpoint: Checkpoint


def prove(folder: ArchiveFolder, verifier: Verifier, name: SegmentName, offset: int) -> Proof:
    """Return the proof of the record of a file at an offset.

    Raises `UsageError` if the log does not have the file, or the file the record; `NotProven` if they are not what was
    signed; `DamagedSegment`, `Unavailable`.
    """
    note = (folder.read(f"{LOG}/{CHECKPOINT}") or b"").decode(errors="replace")
    try:
        checkpoint = open_checkpoint(note, verifier)
        entries = read_entries(folder, checkpoint.size)
        number = next(at for at, entry in enumerate(entries) if decode_manifest(entry).file == name.path)
    except ValueError as error:
        raise NotProven(f"not proven: {LOG}: {error}") from error
    except StopIteration:
        raise UsageError(f"{name.path}: it is not in the log of the archive") from None
    with Segment(folder, name) as segment:
        found = next(((at, each) for at, each in enumerate(segment.records()) if each.offset == offset), None)
    if found is None:
        raise UsageError(f"{name.path}: there is no record at offset {offset}")
    index, record = found
    signed = folder.read(leaves_path(name)) or b""
    leaves = [signed[at : at + HASH_BYTES] for at in range(0, len(signed), HASH_BYTES)]
    if index >= len(leaves):
        raise NotProven(f"not proven: {leaves_path(name)}: it is not what was signed")
    proof = Proof(
        format=FORMAT,
        checkpoint=note,
        manifest=_text(entries[number]),
        manifest_index=number,
        manifest_proof=_texts(inclusion_proof([leaf_hash(each) for each in entries], number)),
        record=_text(record_bytes(name.topic, name.partition, record)),
        record_index=index,
        record_proof=_texts(inclusion_proof(leaves, index)),
    )
    check_proof(encode_proof(proof), verifier)
    return proof


def encode_proof(proof: Proof) -> bytes:
    """Return a proof as the JSON of its file."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


def check_proof(content: bytes, verifier: Verifier) -> Proven:
    """Return what the file of a proof shows.

    Raises `NotProven` with the reason if that is nothing, `UsageError` if it is no proof.
    """
    try:
        proof = _proofs.decode(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is not a proof ({error})") from None
    if proof.format != FORMAT:
        raise UsageError(f"format: {proof.format!a} is not known")
    try:
        checkpoint = open_checkpoint(proof.checkpoint, verifier)
        entry, record = _bytes(proof.manifest), _bytes(proof.record)
        root = root_from_inclusion(
            leaf_hash(entry), proof.manifest_index, checkpoint.size, list(map(_bytes, proof.manifest_proof))
        )
        if root != checkpoint.root:
            raise ValueError("the checkpoint is not about this manifest")
        manifest = decode_manifest(entry)
        root = root_from_inclusion(
            leaf_hash(record), proof.record_index, manifest.rows, list(map(_bytes, proof.record_proof))
        )
        if root.hex() != manifest.root:
            raise ValueError("the manifest is not about this record")
        topic, partition, found = read_record_bytes(record)
        if (topic, partition) != manifest.name.tp or not manifest.first <= found.offset < manifest.next:
            raise ValueError("the record is not one of the file in the manifest")
    except ValueError as error:
        raise NotProven(f"not proven: {error}") from error
    return Proven(topic, partition, found, manifest, checkpoint)


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return list(map(_text, hashes))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_proofs: Final = msgspec.json.Decoder(Proof)
