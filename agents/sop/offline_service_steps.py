"""What the desk does next about an offline service: proof, partner, link and the apology (DIS-3 to DIS-10)."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from agents.case.view import Ticket
from agents.sop.offline_service import OfflineAssessment, refund, tagging
from agents.verdict import Citable, Step
from schemas.outputs import DecisionBody


class Row(Struct, frozen=True):
    """A step open while one of its reasons stands and the ticket is open, done when none stands any more."""

    code: str
    clauses: tuple[str, ...]
    reasons: frozenset[str]
    rests_on: tuple[Literal["proof", "identification"], ...]


ROWS: Final = (
    Row("ask_customer_for_payment_proof", ("DIS-3",), frozenset({"proof_missing"}), ("proof",)),
    Row(
        "ask_customer_for_partner_phone",
        ("DIS-4",),
        frozenset({"partner_not_identified"}),
        ("identification",),
    ),
    Row(
        "recheck_partner_id",
        ("DIS-4", "DIS-8"),
        frozenset({"partner_mismatch", "payee_mismatch", "date_mismatch"}),
        ("proof", "identification"),
    ),
    Row(
        "ask_for_clearer_image",
        ("DIS-5", "DIS-8"),
        frozenset({"proof_illegible", "payee_not_visible"}),
        ("proof",),
    ),
    Row(
        "replace_proof_link",
        ("DIS-6",),
        frozenset({"proof_link_missing", "proof_link_is_ticket", "proof_link_invalid"}),
        ("proof",),
    ),
)
"""The steps of each qualifying ticket, in the order of the table."""


def steps(assessment: OfflineAssessment, decisions: tuple[DecisionBody, ...]) -> tuple[Step, ...]:
    """Return every step of the case's qualifying tickets, open or not, and the case's apology.

    Takes all decisions of the case; only the offline refund is looked at.
    """
    per_ticket = (_step(row, ticket, assessment) for row in ROWS for ticket in assessment.tickets)
    return (*per_ticket, _apologise_no_refund(assessment, decisions))


def _step(row: Row, ticket: Ticket, assessment: OfflineAssessment) -> Step:
    stands = not row.reasons.isdisjoint(assessment.reasons)
    known: dict[str, Citable | None] = {
        "proof": assessment.proof,
        "identification": assessment.identification,
    }
    cited = (ticket.created, *ticket.closings[:1], *(known[fact] for fact in row.rests_on))
    return Step(
        code=row.code,
        ticket_id=ticket.id,
        open=stands and ticket.is_open,
        done=not stands,
        clauses=row.clauses,
        evidence=tuple(fact for fact in cited if fact is not None),
    )


def _apologise_no_refund(assessment: OfflineAssessment, decisions: tuple[DecisionBody, ...]) -> Step:
    """DIS-10: the refund is refused; no result of its own ends it."""
    refused = any(
        body.kind == "refund" and body.subject_of == "offline_service" and body.outcome == "refused"
        for body in decisions
    )
    return Step(
        code="apologise_no_refund",
        open=refused,
        done=False,
        clauses=("DIS-10",),
        evidence=(refund(assessment) or tagging(assessment)).evidence,
    )
