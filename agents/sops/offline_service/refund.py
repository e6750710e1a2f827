"""What is decided about a refund for an offline service (DIS-10; domain.md, "Offline service")."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from agents.sops.offline_service import money
from agents.sops.offline_service.assessment import Assessment
from agents.sops.offline_service.evidence import Cited, line_items, refund_request
from agents.sops.offline_service.tagging import TAGGING, reasons
from agents.sops.offline_service.terms import asks_for_refund, has_two_currencies, is_partial, is_proven
from agents.sops.tables.decisions import DecisionTable, Row
from agents.sops.tables.terms import Term
from agents.sops.tagging import ProofFault
from schemas.events import Money
from schemas.outputs import DecisionBody, Word, known, one_of

Outcome = Literal["eligible_full", "eligible_partial", "refused", "awaiting_proof"]
Reason = Literal["currency_mismatch", ProofFault]


class RefundDecision(DecisionBody, frozen=True, kw_only=True, tag="refund"):
    """Whether a customer who was served offline gets a refund."""

    title: ClassVar[str] = "refund"

    outcome: Annotated[Word, one_of(Outcome, "Whether there is a refund (DIS-10).")]
    reasons: Annotated[tuple[Word, ...], known(Reason, "Why there is none, or none yet, sorted.")] = ()
    proven_amount: Annotated[
        Money | UnsetType,
        Meta(description="The amount that was proven; of a partial service, less the extras on the booking (DIS-10)."),
    ] = UNSET
    apology: Annotated[bool | UnsetType, Meta(description="Whether an apology is due instead (DIS-10).")] = UNSET


def tagging(a: Assessment) -> Cited:
    """Return the evidence of the tagging."""
    row = TAGGING.row(a)
    return row.cite(a) if row else ()


def is_finally_tagged(a: Assessment) -> bool:
    """Return whether the tagging is final."""
    row = TAGGING.row(a)
    return row is not None and row.status == "final"


tagging_is_final: Final = Term[Assessment](is_finally_tagged, "the tagging is final", "the tagging is provisional")


def proven_amount(a: Assessment) -> Money | UnsetType:
    """Return the amount on the proof."""
    return money.less(a.proof.data.amount, ()) if a.proof else UNSET


def proven_extra(a: Assessment) -> Money | UnsetType:
    """Return the amount on the proof less the extras on the booking, not below zero."""
    return money.less(a.proof.data.amount, (item.data.amount for item in a.line_items)) if a.proof else UNSET


REFUND: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=RefundDecision,
    applies=(asks_for_refund,),
    rows=(
        Row(
            name="F1",
            when=(is_proven, ~is_partial),
            outcome="eligible_full",
            clauses=("DIS-10",),
            fields={"proven_amount": proven_amount},
            evidence=(tagging, refund_request),
        ),
        Row(
            name="F2",
            when=(is_proven, has_two_currencies),
            outcome="awaiting_proof",
            status="provisional",
            reasons=("currency_mismatch",),
            clauses=("DIS-10",),
            evidence=(tagging, refund_request, line_items),
        ),
        Row(
            name="F3",
            when=(is_proven,),
            outcome="eligible_partial",
            clauses=("DIS-10",),
            fields={"proven_amount": proven_extra},
            evidence=(tagging, refund_request, line_items),
        ),
        Row(
            name="F4",
            when=(~is_proven, tagging_is_final),
            outcome="refused",
            reasons=reasons,
            clauses=("DIS-10",),
            fields={"apology": True},
            evidence=(tagging, refund_request),
        ),
        Row(
            name="F5",
            when=(),
            outcome="awaiting_proof",
            status="provisional",
            reasons=reasons,
            clauses=("DIS-10",),
            evidence=(tagging, refund_request),
        ),
    ),
)
