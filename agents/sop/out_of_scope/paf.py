"""What becomes of the penalty for a cancellation: the rows P0 to P10, of which the first that applies decides."""

from __future__ import annotations

from typing import Final

from agents.sop.out_of_scope.assessment import Assessment
from agents.sop.out_of_scope.evidence import (
    Evidence,
    claim,
    end,
    images,
    mark,
    off_site,
    on_site,
    partners,
    route,
    verdict,
)
from agents.verdict import Deadlines, RuleResult


def paf(a: Assessment, deadlines: Deadlines) -> RuleResult | None:
    """Return the ruling on the penalty, None without a cancellation or where nothing out of scope is claimed."""
    if not a.concerned or not a.engagement.cancellations:
        return None
    return next((ruling for row in ROWS if (ruling := row(a, deadlines))), None)


def _booking_missing(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P0, OOS-18: nothing can be reviewed before the booking is known."""
    if a.route != "unknown":
        return None
    return _under_review(a, "booking_missing", "OOS-18", end(a))


def _cancellation_not_allowed(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P1, OOS-2: a partner who may only close at BPC cancelled, with a genuine reason or without."""
    if a.route != "bpc_only" or not a.partner_cancelled:
        return None
    return RuleResult(
        outcome="upheld",
        status="final",
        reasons=("cancellation_not_allowed",),
        clauses=("OOS-2",),
        evidence=route(a) + partners(a),
        fields={"cancellation_marked": True, "counts_in_mg": True},
    )


def _not_genuine(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P2, OOS-18: the claim was refused, the mark stands."""
    if a.genuineness != "not_genuine" or not a.marked:
        return None
    return RuleResult(
        outcome="upheld",
        status="final",
        reasons=("not_genuine",),
        clauses=("OOS-18",),
        evidence=claim(a) + verdict(a) + mark(a),
        fields={"cancellation_marked": True, "counts_in_mg": True},
    )


def _presence_conflict(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P3, OOS-7: judged genuine, yet the partner was seen away from the site only."""
    if a.presence.state != "off_site" or a.genuineness != "genuine" or a.route == "commercial":
        return None
    evidence = off_site(a) + claim(a) + verdict(a) + images(a) + end(a)
    return _under_review(a, "presence_conflict", "OOS-7", evidence)


def _not_on_site(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P4, OOS-14, OOS-19: the partner cancelled without having been at the site."""
    if a.presence.state != "off_site" or not a.partner_cancelled or a.route == "commercial":
        return None
    return RuleResult(
        outcome="upheld",
        status="final",
        reasons=("not_on_site",),
        clauses=("OOS-14", "OOS-19"),
        evidence=off_site(a) + partners(a),
        fields={"cancellation_marked": True, "counts_in_mg": True},
    )


def _no_claim(a: Assessment, deadlines: Deadlines) -> RuleResult | None:
    """P5, OOS-18: marked and nobody claimed anything; settled once the time for a claim is over."""
    if a.genuineness != "none" or not a.marked:
        return None
    marked = mark(a)
    due = marked[0].time + a.policy.paf.claim_window
    is_over = deadlines.passed(due)
    return RuleResult(
        outcome="upheld",
        status="final" if is_over else "provisional",
        reasons=("no_claim",),
        clauses=("OOS-18",),
        evidence=marked,
        deadlines=(due,) if is_over else (),
        fields={"cancellation_marked": True, "counts_in_mg": True},
    )


def _awaiting_validation(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P6, OOS-18: the claim is not settled yet."""
    if a.genuineness != "pending":
        return None
    return _under_review(a, "awaiting_validation", "OOS-18", claim(a) + verdict(a) + end(a))


def _presence_unknown(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P7, OOS-7: judged genuine, yet nothing shows where the partner was."""
    if a.genuineness != "genuine" or a.presence.state != "unknown" or a.route == "commercial":
        return None
    return _under_review(a, "presence_unknown", "OOS-7", claim(a) + verdict(a) + images(a) + end(a))


def _reversal_scheduled(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P8, OOS-12 (commercial premises), OOS-18: not at fault, the mark goes at the training or review date."""
    if a.genuineness != "genuine" or not a.marked:
        return None
    return RuleResult(
        outcome="reversal_scheduled",
        status="final",
        clauses=("OOS-12",) if a.route == "commercial" else ("OOS-18",),
        evidence=claim(a) + verdict(a) + images(a) + mark(a) + _standing(a),
        fields={"cancellation_marked": True, "counts_in_mg": False, "resolve_at": "training_or_review"},
    )


def _waived(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P9, OOS-20: genuine and never marked, so there is no penalty."""
    if a.genuineness != "genuine":
        return None
    return RuleResult(
        outcome="waived",
        status="final",
        clauses=("OOS-20",),
        evidence=claim(a) + verdict(a) + images(a) + end(a) + _standing(a),
        fields={"cancellation_marked": False, "counts_in_mg": False},
    )


def _not_applicable(a: Assessment, _: Deadlines) -> RuleResult | None:
    """P10, OOS-16: no mark, and nothing genuine to waive."""
    return RuleResult(
        outcome="not_applicable",
        status="final",
        clauses=("OOS-16",),
        evidence=end(a) + claim(a) + verdict(a),
        fields={"cancellation_marked": False, "counts_in_mg": None},
    )


def _under_review(a: Assessment, reason: str, clause: str, evidence: Evidence) -> RuleResult:
    """Return what P0, P3, P6 and P7 share: open, the mark as it stands, the plan undecided."""
    return RuleResult(
        outcome="under_review",
        status="provisional",
        reasons=(reason,),
        clauses=(clause,),
        evidence=evidence,
        fields={"cancellation_marked": a.marked, "counts_in_mg": None},
    )


def _standing(a: Assessment) -> Evidence:
    """Return why presence does not stand in the way: the route on commercial premises, else the partner on site."""
    return route(a) if a.route == "commercial" else on_site(a)


ROWS: Final = (
    _booking_missing,
    _cancellation_not_allowed,
    _not_genuine,
    _presence_conflict,
    _not_on_site,
    _no_claim,
    _awaiting_validation,
    _presence_unknown,
    _reversal_scheduled,
    _waived,
    _not_applicable,
)
