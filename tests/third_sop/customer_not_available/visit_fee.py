"""Whether the visit fee stands (CNA-1, CNA-2)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from agents.case.evaluation import Evidence
from agents.sops.tables.decisions import DecisionTable, Row
from schemas.outputs import DecisionBody, Word, known, one_of

from .assessment import Assessment
from .terms import has_called_enough, has_waited, presence_is_unknown, was_off_site

Outcome = Literal["stands", "not_due", "under_review"]
Reason = Literal["calls_missing", "still_waiting", "not_on_site", "presence_unknown"]


class VisitFeeDecision(DecisionBody, frozen=True, kw_only=True, tag="visit_fee"):
    """Whether a partner keeps the fee for a visit at which the customer was not available."""

    title: ClassVar[str] = "visit fee"

    outcome: Annotated[Word, one_of(Outcome, "Whether the visit fee stands (CNA-1, CNA-2).")]
    reasons: Annotated[tuple[Word, ...], known(Reason, "Why it does not, or not yet, sorted.")] = ()
    waited_s: Annotated[int | UnsetType, Meta(description="How long the partner waited, in seconds (CNA-1).")] = UNSET


def calls(a: Assessment) -> tuple[Evidence, ...]:
    """Return the calls in vain."""
    return a.calls


def reports(a: Assessment) -> tuple[Evidence, ...]:
    """Return the location reports that show where the partner was."""
    return tuple(at.fix for at in a.presence if at.fix is not None)


def waited_s(a: Assessment) -> int:
    """Return how long the partner waited, in whole seconds."""
    return a.waited // 1_000_000


VISIT_FEE: Final[DecisionTable[Assessment]] = DecisionTable(
    kind=VisitFeeDecision,
    applies=(),
    rows=(
        Row(
            name="V1",
            when=(was_off_site,),
            outcome="not_due",
            reasons=("not_on_site",),
            clauses=("CNA-2",),
            evidence=(calls, reports),
        ),
        Row(
            name="V2",
            when=(~has_called_enough,),
            outcome="under_review",
            status="provisional",
            reasons=("calls_missing",),
            clauses=("CNA-1",),
            evidence=(calls,),
        ),
        Row(
            name="V3",
            when=(presence_is_unknown,),
            outcome="under_review",
            status="provisional",
            reasons=("presence_unknown",),
            clauses=("CNA-1", "CNA-2"),
            evidence=(calls,),
        ),
        Row(
            name="V4",
            when=(~has_waited,),
            outcome="under_review",
            status="provisional",
            reasons=("still_waiting",),
            clauses=("CNA-1",),
            evidence=(calls, reports),
        ),
        Row(
            name="V5",
            when=(),
            outcome="stands",
            clauses=("CNA-1",),
            fields={"waited_s": waited_s},
            evidence=(calls, reports),
        ),
    ),
)
