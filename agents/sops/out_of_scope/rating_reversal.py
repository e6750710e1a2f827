"""Whether a bad rating of an out-of-scope job is reversed (OOS-3; domain.md, "Decisions")."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited, claim, closing, end, images, off_site, rating_ticket, verdict
from agents.sops.out_of_scope.terms import (
    asks_for_rating_reversal,
    is_cancelled,
    is_closed,
    is_closed_at_bpc,
    is_commercial,
    is_not_genuine,
    is_pending,
    partner_opened_a_ticket,
    was_off_site,
)
from agents.sops.tables.decisions import DecisionTable, Row
from schemas.outputs import DecisionBody, Word, known, one_of

Outcome = Literal["awaiting_verification", "denied", "granted"]
Reason = Literal[
    "job_not_closed", "not_closed_at_bpc", "no_oos_ticket", "not_genuine", "awaiting_validation", "presence_conflict"
]


class RatingReversalDecision(DecisionBody, frozen=True, kw_only=True, tag="rating_reversal"):
    """Whether a bad rating is reversed."""

    title: ClassVar[str] = "rating reversal"

    outcome: Annotated[Word, one_of(Outcome, "Whether the rating is reversed (OOS-3).")]
    reasons: Annotated[tuple[Word, ...], known(Reason, "Why it is denied or waits, sorted.")] = ()


def closing_or_end(a: Assessment) -> Cited:
    """Return how the job ended: the latest closing, else the earliest cancellation."""
    return closing(a) or end(a)


RATING_REVERSAL: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=RatingReversalDecision,
    applies=(asks_for_rating_reversal,),
    rows=(
        Row(
            name="R1",
            when=(~is_closed, ~is_cancelled),
            outcome="awaiting_verification",
            status="provisional",
            reasons=("job_not_closed",),
            clauses=("OOS-3",),
            evidence=(rating_ticket,),
        ),
        Row(
            name="R2",
            when=(~is_closed_at_bpc,),
            outcome="denied",
            reasons=("not_closed_at_bpc",),
            clauses=("OOS-3",),
            evidence=(rating_ticket, closing_or_end),
        ),
        Row(
            name="R3",
            when=(~partner_opened_a_ticket,),
            outcome="denied",
            reasons=("no_oos_ticket",),
            clauses=("OOS-3",),
            evidence=(rating_ticket, closing),
        ),
        Row(
            name="R4",
            when=(is_not_genuine,),
            outcome="denied",
            reasons=("not_genuine",),
            clauses=("OOS-3",),
            evidence=(rating_ticket, closing, claim, verdict),
        ),
        Row(
            name="R5",
            when=(is_pending,),
            outcome="awaiting_verification",
            status="provisional",
            reasons=("awaiting_validation",),
            clauses=("OOS-3", "OOS-21"),
            evidence=(rating_ticket, closing, claim, verdict),
        ),
        Row(
            name="R6",
            when=(was_off_site, ~is_commercial),
            outcome="awaiting_verification",
            status="provisional",
            reasons=("presence_conflict",),
            clauses=("OOS-3", "OOS-7"),
            evidence=(rating_ticket, closing, claim, verdict, images, off_site),
        ),
        Row(  # presence may stay unknown: the SOP asks for the validated ticket
            name="R7",
            when=(),
            outcome="granted",
            clauses=("OOS-3",),
            evidence=(rating_ticket, closing, claim, verdict, images),
        ),
    ),
)
