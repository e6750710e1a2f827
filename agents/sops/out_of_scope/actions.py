"""The next steps for the desk about an out-of-scope claim (domain.md, "Actions")."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope import evidence
from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited
from agents.sops.out_of_scope.situation import (
    Situation,
    TicketSituation,
    parking_end,
    situation,
    ticket_situations,
)
from agents.sops.tables.actions import ActionRow, ActionTable
from schemas.timestamps import format_instant


def blocked_start(s: Situation) -> Cited:
    """Return the latest start that the customer blocked."""
    return s.a.engagement.blocked[-1:]


def claim_or_blocked_start(s: Situation) -> Cited:
    """Return the claim, and the earliest start that the customer blocked."""
    return (*evidence.claim(s.a), *s.a.engagement.blocked[:1])


def claim(s: Situation) -> Cited:
    """Return the ticket of the claim."""
    return evidence.claim(s.a)


def route(s: Situation | TicketSituation) -> Cited:
    """Return what made the route."""
    return evidence.route(s.a)


def images(s: Situation) -> Cited:
    """Return the images of the claim; on commercial premises they do not matter."""
    return () if s.a.is_commercial else evidence.images(s.a)


def visit(s: Situation) -> Cited:
    """Return the partner's answer about visiting."""
    return s.visit.evidence


def serve(s: Situation) -> Cited:
    """Return the partner's answer about serving."""
    return s.serve.evidence


def cancel(s: Situation) -> Cited:
    """Return the customer's answer about cancelling."""
    return s.cancel.evidence


def refusals(s: Situation) -> Cited:
    """Return why the partner is guided to can't-deliver: route and both answers (OOS-12), or the visit (OOS-14)."""
    return (*route(s), *cancel(s), *serve(s)) if s.a.is_commercial else visit(s)


def paf(s: Situation) -> Cited:
    """Return the evidence of the decision about the penalty."""
    return s.results["paf"].evidence if "paf" in s.results else ()


def rating_reversal(s: Situation) -> Cited:
    """Return the evidence of the decision about the rating."""
    return s.results["rating_reversal"].evidence if "rating_reversal" in s.results else ()


def ticket(t: TicketSituation) -> Cited:
    """Return the creation of the ticket."""
    return (t.ticket.created,)


ENGAGEMENT_ACTIONS: Final[ActionTable[Assessment, Situation]] = ActionTable(
    facts=lambda a, results: (situation(a, results),),
    rows=(
        ActionRow(
            code="advise_close_at_bpc",
            open=lambda s: s.a.is_bpc_only and bool(claim_or_blocked_start(s)) and s.is_job_open,
            done=lambda s: s.a.is_closed_at_bpc,
            clauses=("OOS-2",),
            evidence=(route, claim_or_blocked_start),
        ),
        ActionRow(
            code="ask_partner_to_create_ticket",
            open=lambda s: s.asks_for_ticket and s.a.has_no_ticket and not s.a.is_bpc_only and s.is_job_open,
            done=lambda s: not s.a.has_no_ticket,
            clauses=("OOS-4", "OOS-8"),
            evidence=(blocked_start,),
        ),
        ActionRow(
            code="warn_cancellation_counts",
            open=lambda s: s.refuses_to_go and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=("OOS-14",),
            evidence=(visit,),
        ),
        ActionRow(
            code="guide_partner_cant_deliver",
            open=lambda s: (s.refuses_to_go or s.nobody_gives_in) and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=lambda s: ("OOS-12",) if s.a.is_commercial else ("OOS-14",),
            evidence=(refusals,),
        ),
        ActionRow(
            code="guide_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.serve.is_yes and s.is_job_open,
            done=lambda s: s.a.is_closed,
            clauses=("OOS-11",),
            evidence=(route, serve),
        ),
        ActionRow(
            code="ask_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.cancel.is_no and not s.partner_replied_since and s.is_job_open,
            done=lambda s: s.partner_replied_since,
            clauses=("OOS-12",),
            evidence=(route, cancel),
        ),
        ActionRow(
            code="ask_customer_to_cancel",
            open=lambda s: s.a.may_be_genuine and not s.cancel.is_given and s.customer_should_cancel and s.is_job_open,
            done=lambda s: s.cancel.is_given or s.customer_cancelled,
            clauses=("OOS-12", "OOS-16"),
            params={"reason": lambda s: "commercial_premises" if s.a.is_commercial else "incorrect_service_booked"},
            evidence=(route, claim, images),
        ),
        ActionRow(
            code="ask_partner_to_cancel",
            open=lambda s: s.cancel.is_no and not s.a.is_not_genuine and s.is_in_ticket_flow and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=("OOS-17",),
            params={"reason": "pro_cannot_deliver"},
            evidence=(route, cancel),
        ),
        ActionRow(
            code="verify_presence",
            open=lambda s: s.paf_awaits_presence,
            done=lambda s: "paf" in s.results and s.results["paf"].status == "final",
            clauses=("OOS-7",),
            evidence=(paf,),
        ),
        ActionRow(
            code="follow_genuine_paf",
            open=lambda s: s.outcome("paf") == "reversal_scheduled",
            clauses=("OOS-18",),
            evidence=(paf,),
        ),
        ActionRow(
            code="file_rating_reversal",
            open=lambda s: s.outcome("rating_reversal") == "granted",
            clauses=("OOS-3",),
            evidence=(rating_reversal,),
        ),
    ),
)

TICKET_ACTIONS: Final[ActionTable[Assessment, TicketSituation]] = ActionTable(
    facts=ticket_situations,
    rows=(
        ActionRow(
            code="inform_partner_team_will_connect",
            open=lambda t: t.is_open and t.team_will_connect and not t.partner_is_informed,
            done=lambda t: t.partner_is_informed,
            clauses=("OOS-9",),
            evidence=(ticket, route),
        ),
        ActionRow(
            code="park_ticket",
            open=lambda t: t.is_unresolved,
            done=lambda t: t.is_confirmed,
            until=parking_end,
            clauses=("OOS-9",),
            params={"until": lambda t: format_instant(t.parked_until)},
            evidence=(ticket, route),
        ),
        ActionRow(
            code="call_partner",
            open=lambda t: t.is_unresolved,
            done=lambda t: t.is_confirmed,
            since=parking_end,
            clauses=("OOS-10",),
            due_at=lambda t: t.parked_until,
            evidence=(ticket, route),
        ),
        ActionRow(
            code="close_ticket",
            open=lambda t: t.is_confirmed and t.is_open,
            done=lambda t: not t.is_open,
            clauses=("OOS-10",),
            evidence=(ticket, lambda t: t.confirmation),
        ),
        ActionRow(
            code="ask_partner_for_images",
            open=lambda t: t.is_open and not t.a.is_not_genuine and t.lacks_images and t.can_send_images,
            done=lambda t: t.a.images_enough,
            clauses=("OOS-13",),
            evidence=(ticket, lambda t: evidence.verdict(t.a)),
        ),
        ActionRow(
            code="ask_partner_to_visit_site",
            open=lambda t: t.is_open and t.s.is_job_open and t.must_visit and not t.s.visit.is_given,
            done=lambda t: t.s.visit.is_given or t.a.was_on_site,
            clauses=("OOS-15", "OOS-19"),
            evidence=(ticket, lambda t: evidence.off_site(t.a)),
        ),
    ),
)
