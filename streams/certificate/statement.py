"""The certificate: an in-toto statement about what deciding an archive anew has found, in a signed envelope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from streams.audit.dsse import open_envelope, sign_envelope
from streams.audit.note import Signer, Verifier
from streams.certificate.findings import STATUSES, Finding

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:sop-streams:replay-certificate:1"

Counts = Mapping[str, int]
"""How many there are by status."""


class Subject(Struct, frozen=True):
    """The archive; its digest is the root of its log or, without a log, the hash of the paths of its files."""

    name: str
    digest: Mapping[str, str]


class Range(Struct, frozen=True, rename={"begin": "from", "end": "to"}):
    """What was decided anew: revisions published from an instant on and before another one, of all cases or one."""

    begin: str | None
    end: str | None
    case: str | None


class Program(Struct, frozen=True):
    """What decided anew."""

    name: str
    version: str


class Predicate(Struct, frozen=True, kw_only=True):
    """What was found."""

    archive: str
    checkpoint: str | None
    """The signed checkpoint under which the files that were read were verified; None: the archive has no log."""
    trusts_index: bool = False
    """Whether the records of the case were found by the archive's index, which no checkpoint covers."""
    range: Range
    policies: tuple[str, ...]
    """The policies that were known, as `label@hash`."""
    program: Program
    cases: int
    decisions: Counts
    """By decision key. One is the same if all its revisions in the range are."""
    revisions: Counts
    differing: tuple[Finding, ...]
    """The revisions that are not the same."""

    @property
    def is_all_same(self) -> bool:
        """Whether every revision is the same, and there is one."""
        others = any(self.revisions[each] for each in STATUSES if each != "same")
        return self.revisions["same"] > 0 and not (self.differing or others)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to compare."""
        return not any(self.revisions.values())


class Statement(Struct, frozen=True, kw_only=True, rename={"type": "_type", "predicate_type": "predicateType"}):
    """An in-toto Statement v1."""

    type: str = STATEMENT_TYPE
    subject: tuple[Subject, ...]
    predicate_type: str = PREDICATE_TYPE
    predicate: Predicate


def sign_statement(statement: Statement, signer: Signer) -> bytes:
    """Return the file of a certificate."""
    return sign_envelope(msgspec.json.encode(statement), PAYLOAD_TYPE, signer)


def open_statement(content: bytes, verifier: Verifier) -> Statement:
    """Return what a certificate says; raises ValueError with the reason if this key has not signed it, or no such."""
    statement = _decoded(open_envelope(content, PAYLOAD_TYPE, verifier))
    if (statement.type, statement.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise ValueError(f"it is about {statement.predicate_type!a}, not a {PREDICATE_TYPE}")
    if any(set(counts) != set(STATUSES) for counts in (statement.predicate.decisions, statement.predicate.revisions)):
        raise ValueError("its counts are not by status")
    return statement


def summary(counts: Counts) -> str:
    """Return counts in words, those that are not 0."""
    return ", ".join(f"{counts[each]} {each}" for each in STATUSES if counts[each]) or "none"


def _decoded(payload: bytes) -> Statement:
    try:
        return _statements.decode(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not a certificate ({error})") from None


_statements: Final = msgspec.json.Decoder(Statement)
