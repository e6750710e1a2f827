"""`sop audit`: proves what was decided, to somebody who has an archive and a public key."""

import sys
from pathlib import Path

import click

from agents.sops import catalogue
from schemas.errors import UsageError
from sop.groups import SuggestingGroup
from sop.options import FILE, instant
from streams.config.settings import settings_from
from streams.operations.signature_check import signature_check
from streams.policies.book import PolicyBook
from streams.process.extras import extra
from streams.terminal.printable import printable, printable_bytes

with extra("audit", "an audit"):
    from streams.archive.folder import ArchiveFolder, archive_at
    from streams.archive.reading import ArchiveReader
    from streams.archive.segment import DamagedSegment
    from streams.audit.keys import make_key, read_signer, read_verifier
    from streams.audit.proof import NotProven, check_proof, encode_proof, prove
    from streams.audit.verify import NOTE, Altered, verify_archive
    from streams.certificate.certify import Asked, certify
    from streams.certificate.page import page_of
    from streams.certificate.statement import Predicate, open_statement, sign_statement, summary
    from streams.sealing.person_keys import make_master_key, person_keys
    from streams.sealing.sealing import Opener

KEY = click.option(
    "--key", required=True, metavar="VKEY", help="The public key of the log, itself or in a file: name+1234abcd+AW…"
)


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Verify an archive, prove that it has a decision, decide it anew, and check what others say of it.

    Whoever checks needs the public key of the log alone.
    """


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
    if not folder.exists(NOTE):  # an archive that had a log is not what was signed, even if it has no files any more
        folder = archive_at(archive)
    try:
        verified = verify_archive(folder, verifier, None if checkpoint is None else _text(checkpoint))
    except Altered as error:
        return _failed(str(error))
    print(f"{verified.files} files, {verified.records} records: all as {verifier.name} has signed them")
    print(f"checkpoint: {verified.checkpoint.size} entries, root {verified.checkpoint.root.hex()}")
    return 0


@command.command(name="prove")
@click.argument("archive", type=FILE)
@click.argument("decision", metavar="ID|TOPIC-PARTITION@OFFSET")
@KEY
@click.option("--out", required=True, metavar="FILE", type=FILE, help="Write the proof here.")
def prove_record(archive: str, decision: str, key: str, out: str) -> int:
    """Write the proof that a decision, or any other record, is in an archive.

    Exits with 1 if the archive is not what was signed.
    """
    target = _new_file(out)
    verifier, folder = read_verifier(key), archive_at(archive)
    outputs = catalogue.topics(settings_from().topic_prefix).outputs
    try:
        name, record = ArchiveReader(folder).find(decision, outputs)
        proof = prove(folder, verifier, name, record.offset)
    except (NotProven, DamagedSegment) as error:
        return _failed(f"{archive}: {error}")
    _write(target, encode_proof(proof))
    return 0


@command.command(name="check-proof")
@click.argument("proof", type=FILE)
@KEY
def check(proof: str, key: str) -> int:
    """Check a proof, and print the record that it proves.

    Exits with 1 if it does not hold.
    """
    verifier, content = read_verifier(key), _bytes(proof)
    try:
        proven = check_proof(content, verifier)
    except NotProven as error:
        return _failed(f"{proof}: {error}")
    except UsageError as error:
        raise UsageError(f"{proof}: {error}") from error
    place = f"{proven.topic}-{proven.partition}@{proven.record.offset}"
    checkpoint = proven.checkpoint
    print(
        printable(f"{place} is in the archive of {checkpoint.origin}, among {checkpoint.size} files when it was signed")
    )
    print(printable_bytes(proven.record.value or b""))
    return 0


@command.command(name="replay")
@click.argument("archive", type=FILE)
@click.option(
    "--from", "begin", metavar="TIME", help="Compare only what was published from this instant on (RFC 3339)."
)
@click.option("--to", "end", metavar="TIME", help="Compare only what was published before this instant (RFC 3339).")
@click.option(
    "--case", "case_id", metavar="ID", help="Compare only the decisions about this case, and read little else."
)
@click.option(
    "--policy",
    "policies",
    metavar="FILE",
    type=FILE,
    multiple=True,
    help="A policy that the workers had; may be repeated (default: SOP_POLICIES).",
)
@click.option("--key-file", metavar="FILE", type=FILE, help="The private key that signs (default: SOP_AUDIT_KEY_FILE).")
@click.option("--key", metavar="VKEY", help="The public key of the archive's log (default: that of the private key).")
@click.option(
    "--out", required=True, metavar="CERT", type=FILE, help="Write the certificate here, and a page beside it (.html)."
)
def replay(
    archive: str,
    begin: str | None,
    end: str | None,
    case_id: str | None,
    policies: tuple[str, ...],
    key_file: str | None,
    key: str | None,
    out: str,
) -> int:
    """Decide an archive anew, and write a signed certificate of what is the same.

    Each revision is decided from what the worker had read then. Exits with 1 unless all are the same, and also if the
    archive is not what was signed: then there is no certificate.
    """
    settings = settings_from()
    if not (key_file or settings.audit_key_file):
        raise click.UsageError("name the private key that signs with --key-file, or set SOP_AUDIT_KEY_FILE")
    if case_id is not None and (begin or end):
        raise click.UsageError("--case goes with neither --from nor --to")
    target = _new_file(out)
    page = target.with_suffix(".html")
    if page == target:
        raise click.UsageError("--out: the certificate is no page; the page is written beside it")
    signer = read_signer(key_file or settings.audit_key_file)
    asked = Asked(
        None if begin is None else instant("--from", begin), None if end is None else instant("--to", end), case_id
    )
    book = PolicyBook(catalogue.POLICIES.load_all(policies or settings.policies), signature_check(settings))
    try:
        with person_keys(settings) as keys:
            certified = certify(
                archive_at(archive),
                asked,
                topics=catalogue.topics(settings.topic_prefix),
                policies=book,
                limits=settings.limits,
                verifier=signer.verifier if key is None else read_verifier(key),
                open_record=Opener(keys).open_whole,
                needs_log=key is not None,
            )
    except (Altered, DamagedSegment) as error:
        return _failed(str(error))
    _write(target, sign_statement(certified.statement, signer))
    _write(page, page_of(certified.statement, signer.verifier).encode())
    for decision, status in sorted(certified.decisions.items()):
        if case_id is not None or status != "same":
            print(printable(f"{decision}: {status}"))
    return _report(certified.statement.predicate)


@command.command(name="check-certificate")
@click.argument("certificate", metavar="CERT", type=FILE)
@KEY
def check_certificate(certificate: str, key: str) -> int:
    """Check who has signed a certificate, and print what it says.

    Exits with 1 if this key has not signed it, or not all decisions are the same.
    """
    verifier = read_verifier(key)
    try:
        statement = open_statement(_bytes(certificate), verifier)
    except ValueError as error:
        return _failed(f"{certificate}: {error}")
    print(printable(f"{verifier.name} has signed it: {statement.predicate.archive}"))
    return _report(statement.predicate)


def _report(found: Predicate) -> int:
    """Print what a certificate says in short, and return the exit status that says whether all is the same."""
    span = found.range
    about = f"case {span.case}" if span.case else f"cases: {found.cases}"
    if span.begin or span.end:
        about += f", published from {span.begin or 'the beginning'} to {span.end or 'the end'}"
    print(printable(f"{about}; decisions: {summary(found.decisions)}; revisions: {summary(found.revisions)}"))
    if found.is_empty:
        print("nothing was compared: there is no revision of this range in the archive, and none is missing")
    if found.trusts_index:
        print("the records of the case were found by the archive's index, which sop audit verify checks")
    if found.checkpoint is None:
        print("checkpoint: none: the archive has no log, so nothing shows that its files are as they were written")
    else:
        print(f"checkpoint: {' '.join(map(printable, found.checkpoint.split()[:3]))}")
    return 0 if found.is_all_same else 1


def _failed(message: str) -> int:
    """Print what does not hold, and return the exit status that says so."""
    print(printable(f"sop: {message}"), file=sys.stderr)
    return 1


def _new_file(out: str) -> Path:
    """Return the path of a file to write; raises `UsageError` if it is a folder, or there is none for it."""
    path = Path(out)
    if path.is_dir():
        raise UsageError(f"--out: {path} is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"--out: {path}: there is no folder {path.parent}")
    return path


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _text(path: str) -> str:
    return _bytes(path).decode(errors="replace")
