"""The next steps for the desk about an out-of-scope claim (domain.md, "Actions")."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope import evidence
from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited
from agents.sops.out_of_scope.situation import (
    EngagementSituation,
    TicketSituation,
    engagement_situation,
    parking_end,
    ticket_situations,
)
from agents.sops.tables.actions import ActionRow, ActionTable
from agents.sops.tables.cells import decided, of, ticket
from schemas.timestamps import format_instant

claim, route, verdict, off_site = map(of, (evidence.claim, evidence.route, evidence.verdict, evidence.off_site))


def blocked_start(s: EngagementSituation) -> Cited:
    """Return the latest start that the customer blocked."""
    return s.a.engagement.blocked[-1:]


def claim_or_blocked_start(s: EngagementSituation) -> Cited:
    """Return the claim, and the earliest start that the customer blocked."""
    return (*evidence.claim(s.a), *s.a.engagement.blocked[:1])


def images(s: EngagementSituation) -> Cited:
    """Return the images of the claim; on commercial premises they do not matter."""
    return () if s.a.is_commercial else evidence.images(s.a)


def refusals(s: EngagementSituation) -> Cited:
    """Return why the partner is guided to can't-deliver: route and both answers (OOS-12), or the visit (OOS-14)."""
    if s.a.is_commercial:
        return (*evidence.route(s.a), *s.cancel.evidence, *s.serve.evidence)
    return s.visit.evidence


PRESENCE_REASONS: Final = frozenset({"presence_conflict", "presence_unknown"})
"""Why the penalty is under review until somebody finds out where the partner was (P3, P7)."""

ENGAGEMENT_ACTIONS: Final[ActionTable[Assessment, EngagementSituation]] = ActionTable(
    facts=engagement_situation,
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
            evidence=(lambda s: s.visit.evidence,),
        ),
        ActionRow(
            code="guide_partner_cant_deliver",
            open=lambda s: (s.refuses_to_go or s.both_refuse) and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=lambda s: ("OOS-12",) if s.a.is_commercial else ("OOS-14",),
            evidence=(refusals,),
        ),
        ActionRow(
            code="guide_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.serve.is_yes and s.is_job_open,
            done=lambda s: s.a.is_closed,
            clauses=("OOS-11",),
            evidence=(route, lambda s: s.serve.evidence),
        ),
        ActionRow(
            code="ask_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.cancel.is_no and not s.partner_replied_since and s.is_job_open,
            done=lambda s: s.partner_replied_since,
            clauses=("OOS-12",),
            evidence=(route, lambda s: s.cancel.evidence),
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
            evidence=(route, lambda s: s.cancel.evidence),
        ),
        ActionRow(
            code="verify_presence",
            open=lambda s: not PRESENCE_REASONS.isdisjoint(s.reasons("paf")),
            done=lambda s: "paf" in s.results and s.results["paf"].status == "final",
            clauses=("OOS-7",),
            evidence=(decided("paf"),),
        ),
        ActionRow(
            code="follow_genuine_paf",
            open=lambda s: s.outcome("paf") == "reversal_scheduled",
            clauses=("OOS-18",),
            evidence=(decided("paf"),),
        ),
        ActionRow(
            code="file_rating_reversal",
            open=lambda s: s.outcome("rating_reversal") == "granted",
            clauses=("OOS-3",),
            evidence=(decided("rating_reversal"),),
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
            open=lambda t: t.is_open and not t.a.is_not_genuine and t.a.lacks_images and t.can_send_images,
            done=lambda t: t.a.images_enough,
            clauses=("OOS-13",),
            evidence=(ticket, verdict),
        ),
        ActionRow(
            code="ask_partner_to_visit_site",
            open=lambda t: t.is_open and t.is_job_open and t.must_visit and not t.visit.is_given,
            done=lambda t: t.visit.is_given or t.a.was_on_site,
            clauses=("OOS-15", "OOS-19"),
            evidence=(ticket, off_site),
        ),
    ),
)
