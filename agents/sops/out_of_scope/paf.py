"""What becomes of the penalty (PAF) for a cancellation: rows P0 to P10 (domain.md, "Decisions")."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import claim, end, images, mark, off_site, on_site, partners, route, verdict
from agents.sops.out_of_scope.policy import Paf
from agents.sops.out_of_scope.terms import (
    has_no_ticket,
    is_bpc_only,
    is_cancelled,
    is_claimed,
    is_commercial,
    is_genuine,
    is_marked,
    is_not_genuine,
    is_pending,
    partner_cancelled,
    presence_is_unknown,
    route_is_unknown,
    was_off_site,
)
from agents.sops.tables.cells import Select
from agents.sops.tables.decisions import DecisionTable, Row
from schemas.outputs import UNHASHED, DecisionBody, FactRef, Word, known, one_of

Outcome = Literal["under_review", "upheld", "reversal_scheduled", "waived", "not_applicable"]
Reason = Literal[
    "booking_missing",
    "cancellation_not_allowed",
    "not_genuine",
    "presence_conflict",
    "not_on_site",
    "no_claim",
    "awaiting_validation",
    "presence_unknown",
]


class PafDecision(DecisionBody, frozen=True, kw_only=True, tag="paf"):
    """What becomes of the penalty (PAF) for a cancellation."""

    title: ClassVar[str] = "PAF"

    outcome: Annotated[Word, one_of(Outcome, "What becomes of the penalty (OOS-2, OOS-7, OOS-12 to OOS-20).")]
    reasons: Annotated[tuple[Word, ...], known(Reason, "Why it stands or is under review, sorted.")] = ()
    cancellation_marked: Annotated[
        bool | UnsetType | None,
        Meta(description="Whether a cancellation counts as marked against the partner (OOS-18). Absent if withdrawn."),
    ] = UNSET
    counts_in_mg: Annotated[
        bool | UnsetType | None,
        Meta(description="Whether the job counts in the MG plan (OOS-20); null while undecided. Absent if withdrawn."),
    ] = UNSET
    resolve_at: Annotated[
        Word | UnsetType,
        known(
            Literal["training_or_review"],
            "When a scheduled reversal takes place: `training_or_review` (OOS-12, OOS-18).",
        ),
    ] = UNSET
    cancellation_ref: Annotated[
        FactRef | UnsetType,
        Meta(
            description="The cancellation that it is about, as `source#id` of its evidence (OOS-18).",
            extra={UNHASHED: True},
        ),
    ] = UNSET
    claim_ref: Annotated[
        FactRef | UnsetType,
        Meta(
            description="The ticket with the claim, as `source#id` of its evidence (OOS-8), if it rests on it.",
            extra={UNHASHED: True},
        ),
    ] = UNSET


def claim_window_end(a: Assessment) -> int:
    """Return when the time for a claim ends (microseconds), counted from the earliest marked cancellation."""
    return a.marked_cancellations[0].time + a.policy[Paf].claim_window


def about(cancellation: Select[Assessment], claimed: Select[Assessment] | None = None) -> dict[str, object]:
    """Return the fields that name the cancellation and, where the row rests on it, the claim."""
    refs: dict[str, object] = {"cancellation_ref": partial(_ref, cancellation)}
    return refs if claimed is None else {**refs, "claim_ref": partial(_ref, claimed)}


def _ref(select: Select[Assessment], a: Assessment) -> str | UnsetType:
    cited = select(a)
    return cited[0].ref if cited else UNSET


UNDECIDED: Final = {"cancellation_marked": is_marked.is_true, "counts_in_mg": None}
UPHELD: Final = {"cancellation_marked": True, "counts_in_mg": True}
SCHEDULED: Final = {"cancellation_marked": True, "counts_in_mg": False, "resolve_at": "training_or_review"}
WAIVED: Final = {"cancellation_marked": False, "counts_in_mg": False}
NOT_APPLICABLE: Final = {"cancellation_marked": False, "counts_in_mg": None}

PAF: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=PafDecision,
    applies=(is_claimed, is_cancelled),
    rows=(
        Row(  # without a booking nothing can be reviewed
            name="P0",
            when=(route_is_unknown,),
            outcome="under_review",
            status="provisional",
            reasons=("booking_missing",),
            clauses=("OOS-18",),
            fields=UNDECIDED | about(end),
            evidence=(end,),
        ),
        Row(  # genuine or not, a partner who may only close at BPC may not cancel
            name="P1",
            when=(is_bpc_only, partner_cancelled),
            outcome="upheld",
            reasons=("cancellation_not_allowed",),
            clauses=("OOS-2",),
            fields=UPHELD | about(partners),
            evidence=(route, partners),
        ),
        Row(
            name="P2",
            when=(is_not_genuine, is_marked),
            outcome="upheld",
            reasons=("not_genuine",),
            clauses=("OOS-18",),
            fields=UPHELD | about(mark, claim),
            evidence=(claim, verdict, mark),
        ),
        Row(
            name="P3",
            when=(was_off_site, is_genuine, ~is_commercial),
            outcome="under_review",
            status="provisional",
            reasons=("presence_conflict",),
            clauses=("OOS-7",),
            fields=UNDECIDED | about(end, claim),
            evidence=(off_site, claim, verdict, images, end),
        ),
        Row(
            name="P4",
            when=(was_off_site, partner_cancelled, ~is_commercial),
            outcome="upheld",
            reasons=("not_on_site",),
            clauses=("OOS-14", "OOS-19"),
            fields=UPHELD | about(partners),
            evidence=(off_site, partners),
        ),
        Row(  # a claim after the window still counts
            name="P5",
            when=(has_no_ticket, is_marked),
            outcome="upheld",
            final_from=claim_window_end,
            reasons=("no_claim",),
            clauses=("OOS-18",),
            fields=UPHELD | about(mark),
            evidence=(mark,),
        ),
        Row(
            name="P6",
            when=(is_pending,),
            outcome="under_review",
            status="provisional",
            reasons=("awaiting_validation",),
            clauses=("OOS-18",),
            fields=UNDECIDED | about(end, claim),
            evidence=(claim, verdict, end),
        ),
        Row(
            name="P7",
            when=(is_genuine, presence_is_unknown, ~is_commercial),
            outcome="under_review",
            status="provisional",
            reasons=("presence_unknown",),
            clauses=("OOS-7",),
            fields=UNDECIDED | about(end, claim),
            evidence=(claim, verdict, images, end),
        ),
        Row(
            name="P8-commercial",
            when=(is_genuine, is_marked, is_commercial),
            outcome="reversal_scheduled",
            clauses=("OOS-12",),
            fields=SCHEDULED | about(mark, claim),
            evidence=(claim, verdict, images, mark, route),
        ),
        Row(
            name="P8-elsewhere",
            when=(is_genuine, is_marked),
            outcome="reversal_scheduled",
            clauses=("OOS-18",),
            fields=SCHEDULED | about(mark, claim),
            evidence=(claim, verdict, images, mark, on_site),
        ),
        Row(
            name="P9-commercial",
            when=(is_genuine, is_commercial),
            outcome="waived",
            clauses=("OOS-20",),
            fields=WAIVED | about(end, claim),
            evidence=(claim, verdict, images, end, route),
        ),
        Row(
            name="P9-elsewhere",
            when=(is_genuine,),
            outcome="waived",
            clauses=("OOS-20",),
            fields=WAIVED | about(end, claim),
            evidence=(claim, verdict, images, end, on_site),
        ),
        Row(  # no mark, and nothing genuine to waive
            name="P10",
            when=(),
            outcome="not_applicable",
            clauses=("OOS-16",),
            fields=NOT_APPLICABLE | about(end, claim),
            evidence=(end, claim, verdict),
        ),
    ),
)
