"""What is known of one partner: engagements, penalties, claims and alerts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from agents.case.view import CLAIM_KIND
from schemas.timestamps import DAY_US
from surfaces.read_model.stored import (
    AnyRow,
    decision_summary,
    live_row,
    page_key,
    read_page_key,
    select_decisions,
    select_messages,
)
from surfaces.read_model.tables import (
    alerts,
    assignments,
    cases,
    decisions,
    engagements,
    lookup,
    messages,
    partners,
    tickets,
)
from surfaces.read_model.views import DecisionSummary, Engagement, PartnerRecords, PenaltyCount, Row

PENALTY: Final = "paf"
"""The kind of decision that is about a penalty."""


def read_partner(connection: Connection, partner_id: str, before: str | None, limit: int) -> PartnerRecords | None:
    """Return a partner with a page of engagements (`ReadModel.partner`)."""
    number = connection.scalar(select(partners.c.partner_no).where(partners.c.partner_id == lookup(partner_id)))
    if number is None:
        return None
    of_partner = engagements.c.partner_no == number
    query = select(engagements, cases.c.case_id, cases.c.city, cases.c.category, _has_claim(number).label("has_claim"))
    query = query.join_from(engagements, cases, engagements.c.case_no == cases.c.case_no).where(of_partner)
    if before is not None:
        query = query.where(tuple_(engagements.c.first_at, engagements.c.case_no) < tuple_(*read_page_key(before, 2)))
    newest_first = (engagements.c.first_at.desc(), engagements.c.case_no.desc())
    rows = connection.execute(query.order_by(*newest_first).limit(limit + 1)).all()
    shown = rows[:limit]
    assigned = select(func.count()).select_from(engagements).where(of_partner, engagements.c.is_assigned)
    return PartnerRecords(
        partner_id=partner_id,
        assignments=connection.scalar(assigned) or 0,
        claims=_claims(connection, number),
        penalties=_penalties(connection, number),
        alerts=_alerts(connection, number, limit),
        engagements=_engagements(connection, number, shown),
        next_page=page_key(shown[-1].first_at, shown[-1].case_no) if len(rows) > limit else None,
    )


def _holder() -> ColumnElement[int]:
    """Return the partner of a ticket: the one it names, or else the one in force (domain.md, "Engagements")."""
    of_case = select(assignments.c.partner_no).where(assignments.c.case_no == tickets.c.case_no)
    latest = of_case.where(assignments.c.time <= tickets.c.time).order_by(assignments.c.time.desc()).limit(1)
    first = of_case.order_by(assignments.c.time).limit(1)
    return func.coalesce(tickets.c.partner_no, latest.scalar_subquery(), first.scalar_subquery())


def _has_claim(number: int) -> ColumnElement[bool]:
    claim = select(tickets.c.case_no).where(
        tickets.c.case_no == engagements.c.case_no, tickets.c.kind == CLAIM_KIND, _holder() == number
    )
    return claim.exists()


def _claims(connection: Connection, number: int) -> int:
    joined = engagements.join(tickets, engagements.c.case_no == tickets.c.case_no)
    query = select(func.count()).select_from(joined)
    query = query.where(engagements.c.partner_no == number, tickets.c.kind == CLAIM_KIND, _holder() == number)
    return connection.scalar(query) or 0


def _penalties(connection: Connection, number: int) -> tuple[PenaltyCount, ...]:
    rows = connection.execute(
        select(decisions.c.effective_at, decisions.c.outcome).where(
            decisions.c.partner_no == number, decisions.c.kind == PENALTY
        )
    )
    counts = Counter((at // DAY_US * DAY_US, outcome) for at, outcome in rows)
    return tuple(PenaltyCount(day, outcome, count) for (day, outcome), count in sorted(counts.items()))


def _alerts(connection: Connection, number: int, limit: int) -> tuple[Row, ...]:
    latest = select(alerts.c.seq).where(alerts.c.partner_no == number).order_by(alerts.c.seq.desc()).limit(limit)
    numbers = connection.scalars(latest).all()
    query = select_messages().where(messages.c.seq.in_(numbers)).order_by(messages.c.seq.desc())
    return tuple(live_row(row) for row in connection.execute(query))


def _engagements(connection: Connection, number: int, shown: Sequence[AnyRow]) -> tuple[Engagement, ...]:
    decided: defaultdict[int, list[DecisionSummary]] = defaultdict(list)
    query = select_decisions().where(
        decisions.c.case_no.in_([row.case_no for row in shown]), decisions.c.partner_no == number
    )
    for row in connection.execute(query.order_by(decisions.c.effective_at, decisions.c.decision_key)):
        decided[row.case_no].append(decision_summary(row))
    return tuple(
        Engagement(
            row.case_id,
            row.first_at,
            row.city,
            row.category,
            row.is_assigned,
            bool(row.has_claim),
            tuple(decided[row.case_no]),
        )
        for row in shown
    )
