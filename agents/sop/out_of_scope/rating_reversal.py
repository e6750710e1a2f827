"""Whether a bad rating is reversed (OOS-3): the table's rows in its order, the first that applies decides."""

from __future__ import annotations

from typing import Final

from agents.sop.out_of_scope.assessment import Assessment
from agents.sop.out_of_scope.evidence import Evidence, claim, end, images, off_site, verdict
from agents.verdict import RuleResult


def rating_reversal(a: Assessment) -> RuleResult | None:
    """Return the ruling on a rating reversal, None where nobody asked for one."""
    if not a.engagement.rating_tickets:
        return None
    return next((ruling for row in ROWS if (ruling := row(a))), None)


def _job_not_closed(a: Assessment) -> RuleResult | None:
    """OOS-3: the job goes on."""
    if a.engagement.closings or a.engagement.cancellations:
        return None
    return RuleResult(
        outcome="awaiting_verification",
        status="provisional",
        reasons=("job_not_closed",),
        clauses=("OOS-3",),
        evidence=_asked(a),
    )


def _not_closed_at_bpc(a: Assessment) -> RuleResult | None:
    """OOS-3: the job ended in another way."""
    closings = a.engagement.closings
    if closings and closings[-1].data.closure == "bpc":
        return None
    return RuleResult(
        outcome="denied",
        status="final",
        reasons=("not_closed_at_bpc",),
        clauses=("OOS-3",),
        evidence=_asked(a) + (_closing(a) or end(a)),
    )


def _no_oos_ticket(a: Assessment) -> RuleResult | None:
    """OOS-3: there is no ticket of the partner's own to verify."""
    if any(ticket.created.data.opened_by == "partner" for ticket in a.engagement.oos_tickets):
        return None
    return RuleResult(
        outcome="denied",
        status="final",
        reasons=("no_oos_ticket",),
        clauses=("OOS-3",),
        evidence=_asked(a) + _closing(a),
    )


def _not_genuine(a: Assessment) -> RuleResult | None:
    """OOS-3: the claim was refused."""
    if a.genuineness != "not_genuine":
        return None
    return RuleResult(
        outcome="denied",
        status="final",
        reasons=("not_genuine",),
        clauses=("OOS-3",),
        evidence=_asked(a) + _closing(a) + claim(a) + verdict(a),
    )


def _awaiting_validation(a: Assessment) -> RuleResult | None:
    """OOS-3, OOS-21: the claim is not settled yet."""
    if a.genuineness != "pending":
        return None
    return RuleResult(
        outcome="awaiting_verification",
        status="provisional",
        reasons=("awaiting_validation",),
        clauses=("OOS-3", "OOS-21"),
        evidence=_asked(a) + _closing(a) + claim(a) + verdict(a),
    )


def _presence_conflict(a: Assessment) -> RuleResult | None:
    """OOS-3, OOS-7: judged genuine, yet the partner was seen away from the site only."""
    if a.presence.state != "off_site" or a.route == "commercial":
        return None
    return RuleResult(
        outcome="awaiting_verification",
        status="provisional",
        reasons=("presence_conflict",),
        clauses=("OOS-3", "OOS-7"),
        evidence=_asked(a) + _closing(a) + claim(a) + verdict(a) + images(a) + off_site(a),
    )


def _granted(a: Assessment) -> RuleResult | None:
    """OOS-3: the ticket is validated; where the partner was may stay unknown."""
    return RuleResult(
        outcome="granted",
        status="final",
        clauses=("OOS-3",),
        evidence=_asked(a) + _closing(a) + claim(a) + verdict(a) + images(a),
    )


def _asked(a: Assessment) -> Evidence:
    return tuple(ticket.created for ticket in a.engagement.rating_tickets[:1])


def _closing(a: Assessment) -> Evidence:
    return a.engagement.closings[-1:]


ROWS: Final = (
    _job_not_closed,
    _not_closed_at_bpc,
    _no_oos_ticket,
    _not_genuine,
    _awaiting_validation,
    _presence_conflict,
    _granted,
)
