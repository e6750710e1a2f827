"""Out of scope: what one partner's part in a case amounts to, and the three decisions about it."""

from __future__ import annotations

from agents.sop.out_of_scope.assessment import Assessment, assess
from agents.sop.out_of_scope.paf import paf
from agents.sop.out_of_scope.rating_reversal import rating_reversal
from agents.sop.out_of_scope.tagging import tagging
from agents.verdict import Deadlines, RuleResult
from schemas.outputs import DecisionBody, DecisionKind

__all__ = ["Assessment", "assess", "decisions"]


def decisions(assessment: Assessment, deadlines: Deadlines) -> tuple[DecisionBody, ...]:
    """Return what ought to be decided about an engagement: each of the three decisions whose table applies.

    `deadlines` tells which have passed and remembers the next.
    """
    rulings: tuple[tuple[DecisionKind, RuleResult | None], ...] = (
        ("tagging", tagging(assessment)),
        ("paf", paf(assessment, deadlines)),
        ("rating_reversal", rating_reversal(assessment)),
    )
    return tuple(
        ruling.body(
            kind,
            "out_of_scope",
            case_id=assessment.view.case_id,
            partner_id=assessment.engagement.partner_id,
            policy=assessment.policy,
        )
        for kind, ruling in rulings
        if ruling is not None
    )
