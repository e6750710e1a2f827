"""Everything that is stored of one case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, select

from schemas.timestamps import SECOND_US
from surfaces.read_model.overview import latest_progress, quarantined
from surfaces.read_model.stored import (
    AnyRow,
    decision_summary,
    select_decisions,
    select_messages,
    select_records,
    stored_action,
    stored_alert,
    stored_dead_letter,
    stored_decision,
    stored_record,
)
from surfaces.read_model.tables import cases, decisions, engagements, erased_cases, facts, lookup, messages, reports
from surfaces.read_model.views import CaseErasure, CaseRecords, StoredRecord

REPORTS_BEFORE_US: Final = 1_800 * SECOND_US
REPORTS_AFTER_US: Final = 7_200 * SECOND_US
"""Around each fact, reports are shown from so long before to so long after: more than any rule looks at."""
REPORTS_MAX: Final = 2_000
BOOKED: Final = "job.booked"


def read_case(connection: Connection, case_id: str) -> CaseRecords | None:
    """Return everything that is stored of a case (`ReadModel.case`)."""
    found = connection.execute(select(cases).where(cases.c.case_id == lookup(case_id))).one_or_none()
    if found is None:
        return None
    of_case = select_records(facts).where(facts.c.case_no == found.case_no)
    known = connection.execute(of_case.order_by(facts.c.published_at, facts.c.seq)).all()
    located = _reports(connection, found.case_no, known)
    rows = connection.execute(
        select_messages().where(messages.c.case_no == found.case_no).order_by(messages.c.published_at, messages.c.seq)
    ).all()
    return CaseRecords(
        case_id=case_id,
        city=found.city,
        category=found.category,
        facts=tuple(stored_record(row) for row in known),
        reports=located[:REPORTS_MAX],
        are_reports_cut=len(located) > REPORTS_MAX,
        decisions=tuple(stored_decision(row) for row in rows if row.kind == "decision"),
        actions=tuple(stored_action(row) for row in rows if row.kind == "action"),
        alerts=tuple(stored_alert(row) for row in rows if row.kind == "alert"),
        dead_letters=tuple(stored_dead_letter(row) for row in rows if row.kind == "dead_letter"),
        quarantined=quarantined(latest_progress(connection)).get(f"case:{case_id}"),
        erasure=_erasure(connection, found.case_no),
    )


def _erasure(connection: Connection, case_no: int) -> CaseErasure | None:
    at = connection.scalar(select(erased_cases.c.at).where(erased_cases.c.case_no == case_no))
    if at is None:
        return None
    rows = connection.execute(
        select_decisions().where(decisions.c.case_no == case_no).order_by(decisions.c.decision_key)
    ).all()
    return CaseErasure(at, tuple(decision_summary(row) for row in rows))


def _reports(connection: Connection, case_no: int, known: Sequence[AnyRow]) -> tuple[StoredRecord, ...]:
    """Return the reports around the facts, by time; at most one more than is shown."""
    spans = list(_spans(sorted(row.time for row in known if row.type != BOOKED)))
    named = connection.scalars(select(engagements.c.partner_no).where(engagements.c.case_no == case_no)).all()
    rows: list[AnyRow] = []
    for partner_no in named:
        for start, end in spans:  # each is a range of the index
            query = select_records(reports).where(
                reports.c.partner_no == partner_no, reports.c.time.between(start, end)
            )
            rows += connection.execute(query.order_by(reports.c.time, reports.c.seq).limit(REPORTS_MAX + 1))
    return tuple(stored_record(row) for row in sorted(rows, key=lambda row: (row.time, row.seq))[: REPORTS_MAX + 1])


def _spans(times: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans around some instants; those that touch are one."""
    start = end = None
    for time in times:
        if end is not None and start is not None and time - REPORTS_BEFORE_US > end:
            yield start, end
            start = None
        if start is None:
            start = time - REPORTS_BEFORE_US
        end = time + REPORTS_AFTER_US
    if start is not None and end is not None:
        yield start, end
