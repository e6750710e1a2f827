"""`sop audit`: proves what was decided, to somebody who has an archive and a public key."""

import sys
from pathlib import Path

import click

from schemas.errors import UsageError
from sop.groups import SuggestingGroup
from sop.options import FILE
from streams.terminal.printable import printable, printable_bytes

try:
    from streams.archive.folder import ArchiveFolder
    from streams.archive.reading import ArchiveReader
    from streams.audit.keys import make_key, read_verifier
    from streams.audit.proof import check_proof, encode_proof, prove
    from streams.audit.verify import Altered, verify_archive
    from streams.sealing.person_keys import make_master_key
except ImportError as error:
    raise UsageError("an audit needs the extra 'audit': pip install 'sop-streams[audit]'") from error

KEY = click.option(
    "--key", required=True, metavar="VKEY", help="The public key of the log, itself or in a file: name+1234abcd+AW…"
)


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Verify an archive, prove that it has a decision, and check such a proof, with the public key of its log."""


@command.command(name="keygen")
@click.argument("name")
@click.option(
    "--out", required=True, metavar="FILE", type=FILE, help="Write the private key here (SOP_AUDIT_KEY_FILE)."
)
def keygen(name: str, out: str) -> None:
    """Make the key that signs the log of an archive, and print the public one.

    NAME is the name of the log, such as example.com/sop-archive.
    """
    print(make_key(name, out))


@command.command(name="master-key")
@click.option(
    "--out", required=True, metavar="FILE", type=FILE, help="Write the master key here (SOP_AUDIT_MASTER_KEY_FILE)."
)
def master_key(out: str) -> None:
    """Make the key under which the keys of persons are kept that seal what is personal in an archive."""
    make_master_key(out)


@command.command(name="verify")
@click.argument("archive", type=FILE)
@KEY
@click.option(
    "--checkpoint", metavar="OLD", type=FILE, help="An earlier checkpoint: the archive must have all that it had then."
)
def verify(archive: str, key: str, checkpoint: str | None) -> int:
    """Verify that nothing in an archive was altered, left out, added or moved since it was signed.

    Exits with 1 and names the first bad record or file if so.
    """
    verifier, folder = read_verifier(key), ArchiveFolder(archive)
    try:
        verified = verify_archive(folder, verifier, None if checkpoint is None else _text(checkpoint))
    except Altered as error:
        print(printable(f"sop: {error}"), file=sys.stderr)
        return 1
    print(f"{verified.files} files, {verified.records} records: all as {verifier.name} has signed them")
    print(f"checkpoint: {verified.checkpoint.size} entries, root {verified.checkpoint.root.hex()}")
    return 0


@command.command(name="prove")
@click.argument("archive", type=FILE)
@click.argument("decision", metavar="ID|TOPIC-PARTITION@OFFSET")
@KEY
@click.option("--out", required=True, metavar="FILE", type=FILE, help="Write the proof here.")
def prove_record(archive: str, decision: str, key: str, out: str) -> None:
    """Write the proof that a decision, or any other record, is in an archive."""
    verifier, folder = read_verifier(key), ArchiveFolder(archive)
    name, record = ArchiveReader(folder).find(decision)
    try:
        Path(out).write_bytes(encode_proof(prove(folder, verifier, name, record.offset)))
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}") from error


@command.command(name="check-proof")
@click.argument("proof", type=FILE)
@KEY
def check(proof: str, key: str) -> None:
    """Check a proof, and print the record that it proves."""
    proven = check_proof(_bytes(proof), read_verifier(key))
    place = f"{proven.topic}-{proven.partition}@{proven.record.offset}"
    checkpoint = proven.checkpoint
    print(
        printable(f"{place} is in the archive of {checkpoint.origin}, among {checkpoint.size} files when it was signed")
    )
    print(printable_bytes(proven.record.value or b""))


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _text(path: str) -> str:
    return _bytes(path).decode(errors="replace")
