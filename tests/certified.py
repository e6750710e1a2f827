"""An archive of a case, decided anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from schemas.codec.limits import Limits
from schemas.policy.model import PolicySet
from schemas.topics import Topics
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.certificate.certify import Asked, Certified, certify
from streams.certificate.findings import Finding
from streams.certificate.histories import Open
from streams.policies.book import PolicyBook
from surfaces.sink.ports import Record
from tests.archives import Archived, archive_in
from tests.decided import TOPICS, Desk, archivable
from tests.scenario import Scenario, instant, policy_with

POLICY = policy_with("")
POLICIES = PolicySet((), POLICY)


def open_unless_sealed(_: SegmentName, each: ArchivedRecord) -> ArchivedRecord | None:
    """Return a record in which nothing is sealed, whatever its parts are; any other counts as erased."""
    return None if b'"sealed:' in (each.value or b"") else each


def certified(
    archived: Archived,
    policies: PolicySet = POLICIES,
    open_record: Open = open_unless_sealed,
    folder: ArchiveFolder | None = None,
    topics: Topics = TOPICS,
    needs_log: bool = False,
    **asked: Any,
) -> Certified:
    return certify(
        folder or archived.folder,
        Asked(**asked),
        topics=topics,
        policies=PolicyBook(policies),
        limits=Limits(),
        verifier=archived.verifier,
        open_record=open_record,
        needs_log=needs_log,
    )


def findings(found: Certified) -> Sequence[Finding]:
    return found.statement.predicate.differing


def case_with_revisions() -> Scenario:
    """Return a claim whose penalty is under review, then upheld, then waived."""
    return (
        Scenario()
        .booked()
        .assigned("09:00")
        .ticket("10:00")
        .image("10:05")
        .report("10:00")
        .partner_cancelled("12:00", reason="out_of_scope", marked="partner")
        .not_genuine("13:00")
        .validated("15:00")
        .rating_ticket("16:00")
        .complaint("17:00", refund_requested=True)
        .identified("17:30")
        .proof("18:00")
    )


async def records_of(scenario: Scenario, policies: PolicySet = POLICIES) -> list[Record]:
    """Return the records of the topics after each fact was decided when it came, and all deadlines passed."""
    desk = await Desk.with_policies(policies)
    for event, line in zip(scenario.events(), scenario.lines(), strict=True):
        await desk.take([line], event.time)
    await desk.decide(instant("10:00 +9d"))
    return list(archivable(desk.kafka, TOPICS, 1))


def archive_of(records: Iterable[Record], path: Path) -> Archived:
    path.mkdir(exist_ok=True)
    archived = archive_in(path / "archive")
    archived.add(records)
    return archived
