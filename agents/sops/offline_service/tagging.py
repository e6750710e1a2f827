"""What an offline service is tagged as (domain.md, "Offline service")."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from agents.sops.offline_service.assessment import Assessment
from agents.sops.offline_service.evidence import booking, cancellation, identification, proof, ticket, ticket_closings
from agents.sops.offline_service.terms import (
    all_tickets_are_closed,
    is_paid_in_cash,
    is_proven,
    may_get_a_booking,
    was_cancelled_then_served,
    was_never_booked,
)
from agents.sops.tables.decisions import DecisionTable, Row
from agents.sops.tagging import TaggingDecision


def is_indirect(a: Assessment) -> bool:
    """DIS-1 is cited where the customer complained of something else at first."""
    return a.is_indirect


def reporting(a: Assessment) -> str:
    """Return how the service was reported."""
    return a.reporting


def service_date(a: Assessment) -> str | UnsetType:
    """Return the service date on the proof."""
    return a.proof.data.service_date if a.proof else UNSET


def proof_url(a: Assessment) -> str | UnsetType:
    """Return the link of the proof, as it came."""
    return a.proof.data.proof_url if a.proof else UNSET


def reasons(a: Assessment) -> tuple[str, ...]:
    """Return the reasons of the failed checks."""
    return a.reasons


def clauses(a: Assessment) -> tuple[str, ...]:
    """Return the clauses of the failed checks."""
    return tuple(clause for check in a.failed for clause in check.clauses)


TAG_FIELDS: Final = {
    "service_date": service_date,
    "proof_given": True,
    "proof_url": proof_url,
    "reporting": reporting,
}

TAGGING: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=TaggingDecision,
    applies=(),
    rows=(
        Row(
            name="O1",
            when=(is_proven, was_never_booked),
            outcome="offline_service/no_booking",
            clauses=("DIS-2", "DIS-9"),
            clauses_if={"DIS-1": is_indirect},
            fields=TAG_FIELDS,
            evidence=(ticket, proof, identification),
        ),
        Row(
            name="O2",
            when=(is_proven, was_cancelled_then_served),
            outcome="offline_service/cancelled_then_served",
            clauses=("DIS-2", "DIS-9"),
            clauses_if={"DIS-1": is_indirect},
            fields=TAG_FIELDS,
            evidence=(ticket, proof, identification, booking, cancellation),
        ),
        Row(
            name="O3",
            when=(is_proven,),
            outcome="offline_service/partial",
            clauses=("DIS-2", "DIS-9"),
            clauses_if={"DIS-1": is_indirect},
            fields=TAG_FIELDS,
            evidence=(ticket, proof, identification, booking),
        ),
        Row(
            name="O4",
            when=(is_paid_in_cash, ~may_get_a_booking),
            outcome="offline_service/not_tagged",
            reasons=reasons,
            clauses=clauses,
            clauses_if={"DIS-1": is_indirect},
            fields={"reporting": reporting},
            evidence=(ticket, proof, identification),
        ),
        Row(
            name="O5",
            when=(all_tickets_are_closed, ~may_get_a_booking),
            outcome="offline_service/not_tagged",
            reasons=reasons,
            clauses=clauses,
            clauses_if={"DIS-1": is_indirect},
            fields={"reporting": reporting},
            evidence=(ticket, proof, identification, ticket_closings),
        ),
        Row(
            name="O6",
            when=(),
            outcome="offline_service/not_tagged",
            status="provisional",
            reasons=reasons,
            clauses=clauses,
            clauses_if={"DIS-1": is_indirect},
            fields={"reporting": reporting},
            evidence=(ticket, proof, identification),
        ),
    ),
)
