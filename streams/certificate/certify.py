"""Decides an archive anew and says in a certificate what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import NamedTuple

from schemas.codec.limits import Limits
from schemas.errors import UsageError
from schemas.timestamps import format_instant
from schemas.topics import Topics
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.reading import ArchiveReader
from streams.audit.log import LOG
from streams.audit.note import Verifier
from streams.audit.tiles import CHECKPOINT
from streams.audit.verify import VerifiedSegments, verify_log
from streams.certificate.deciding import Deciding, Span
from streams.certificate.findings import STATUSES, Finding, Status, worst
from streams.certificate.histories import Histories, History, OfPartition, Open
from streams.certificate.policies import policy_history
from streams.certificate.statement import Counts, Predicate, Program, Range, Statement, Subject
from streams.policies.book import PolicyBook


class Asked(NamedTuple):
    """What is to be decided anew: revisions published from an instant (microseconds) on and before another one.

    With `case_id`, only those about one case.
    """

    begin: int | None = None
    end: int | None = None
    case_id: str | None = None

    @property
    def span(self) -> Span:
        """The instants in milliseconds, as records have them."""
        begin, end = (None if each is None else -(-each // 1000) for each in (self.begin, self.end))
        return Span(Span().begin if begin is None else begin, Span().end if end is None else end)


class Certified(NamedTuple):
    """What a certificate says, and the status of every decision by its key."""

    statement: Statement
    decisions: Mapping[str, Status]


def certify(
    folder: ArchiveFolder,
    asked: Asked,
    *,
    topics: Topics,
    policies: PolicyBook,
    limits: Limits,
    verifier: Verifier,
    open_record: Open,
    needs_log: bool = False,
) -> Certified:
    """Return what deciding an archive anew has found; every file that is read is verified first, if there is a log.

    `policies` has those that workers had from files, and takes those of the archive; `limits` are those of the workers.
    `open_record` opens what is sealed. Raises `Altered` for an archive that is not what was signed, and with
    `needs_log` for one without a log; `UsageError` for one that has nothing of the topics or the case, `SopError` for a
    damaged one.
    """
    is_signed = needs_log or folder.read(f"{LOG}/{CHECKPOINT}") is not None
    log = verify_log(folder, verifier) if is_signed else None
    names = folder.names() if log is None else [each.name for each in log.manifests]
    verified = None if log is None else VerifiedSegments(folder, log.manifests)
    reader = ArchiveReader(folder, names, verified)
    histories = Histories(reader, topics, open_record)
    if not histories.names:
        raise UsageError(f"{folder.address}: not an archive of {', '.join((*topics.inputs, *topics.decisions))}")
    found: Iterable[OfPartition]
    if asked.case_id is None:
        found = histories.all()
    else:
        found = list(histories.of_case(asked.case_id))
        if not found:
            raise UsageError(f"{folder.address}: the archive has nothing about the case {asked.case_id}")
    known = policy_history(reader, topics.policies, policies)
    deciding = Deciding(topics, known, limits, histories.passed, asked.span, open_record)
    result = _Result()
    for of_partition in found:
        result.add(of_partition.histories, deciding.findings(of_partition))
    root = _hash_of(names) if log is None else log.checkpoint.root.hex()
    return Certified(
        Statement(
            subject=(Subject(folder.address, {"sha256": root}),),
            predicate=Predicate(
                archive=folder.address,
                checkpoint=None if log is None else log.note,
                trusts_index=asked.case_id is not None,
                range=Range(_text(asked.begin), _text(asked.end), asked.case_id),
                policies=tuple(sorted(known.names)),
                program=Program("sop-streams", version("sop-streams")),
                cases=len(result.cases),
                decisions=_counts(result.decisions.values()),
                revisions=_counts(result.revisions.elements()),
                differing=tuple(result.differing),
            ),
        ),
        result.decisions,
    )


class _Result:
    """What was found so far."""

    def __init__(self) -> None:
        self.cases: set[str] = set()
        self.decisions: dict[str, Status] = {}
        self.revisions: Counter[Status] = Counter()
        self.differing: list[Finding] = []

    def add(self, histories: Sequence[History], findings: Iterable[Finding]) -> None:
        self.cases.update(each.case_id for each in histories if each.case_id)
        for finding in findings:
            self.decisions[finding.decision_key] = worst(
                (self.decisions.get(finding.decision_key, "same"), finding.status)
            )
            self.revisions[finding.status] += 1
            if finding.status != "same":
                self.differing.append(finding)


def _counts(statuses: Iterable[Status]) -> Counts:
    counted = Counter(statuses)
    return {each: counted[each] for each in STATUSES}


def _text(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _hash_of(names: Sequence[SegmentName]) -> str:
    """Return what stands for an archive without a log: a hash of the paths of its files, which bind no content."""
    return sha256("".join(f"{each.path}\n" for each in sorted(names)).encode()).hexdigest()
