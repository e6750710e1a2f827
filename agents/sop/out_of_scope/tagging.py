"""How a case is tagged on its out-of-scope side: the table's rows in its order, the first that applies decides."""

from __future__ import annotations

from typing import Final

from agents.sop.out_of_scope.assessment import Assessment
from agents.sop.out_of_scope.evidence import claim, images, partners, verdict
from agents.verdict import RuleResult


def tagging(a: Assessment) -> RuleResult | None:
    """Return the tag that the engagement gets, None where nothing out of scope is claimed."""
    if not a.concerned:
        return None
    return next((ruling for row in ROWS if (ruling := row(a))), None)


def _tag_genuine(a: Assessment) -> RuleResult | None:
    """OOS-5, OOS-6: an established case."""
    if a.genuineness != "genuine":
        return None
    return RuleResult(
        outcome="partner_led_cancellation/out_of_scope",
        status="final",
        clauses=_tag_clauses(a),
        evidence=claim(a) + verdict(a) + images(a),
        fields={"tag_code": "4.2"},
    )


def _tag_pending(a: Assessment) -> RuleResult | None:
    """OOS-5, OOS-6: a case not judged yet, or judged without its images."""
    if a.genuineness != "pending":
        return None
    return RuleResult(
        outcome="partner_led_cancellation/out_of_scope",
        status="provisional",
        clauses=_tag_clauses(a),
        evidence=claim(a) + verdict(a),
        fields={"tag_code": "4.2"},
    )


def _tag_cant_deliver(a: Assessment) -> RuleResult | None:
    """OOS-14, OOS-17: the partner cancelled without a genuine claim."""
    if not a.partner_cancelled:
        return None
    return RuleResult(
        outcome="partner_led_cancellation/cant_deliver",
        status="final",
        clauses=("OOS-14", "OOS-17"),
        evidence=partners(a) + claim(a) + verdict(a),
    )


def _tag_not_genuine(a: Assessment) -> RuleResult | None:
    """OOS-5: the claim was refused, and the partner did not cancel."""
    if a.genuineness != "not_genuine":
        return None
    return RuleResult(
        outcome="none",
        status="final",
        reasons=("not_genuine",),
        clauses=("OOS-5",),
        evidence=claim(a) + verdict(a),
    )


def _tag_clauses(a: Assessment) -> tuple[str, ...]:
    return ("OOS-5", "OOS-6") if a.commercial_appliance else ("OOS-5",)


ROWS: Final = (_tag_genuine, _tag_pending, _tag_cant_deliver, _tag_not_genuine)
