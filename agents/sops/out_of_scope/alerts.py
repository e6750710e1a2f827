"""What ops wants to know about an out-of-scope claim (domain.md, "Alerts")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agents.case.presence import PresenceAt
from agents.sops.out_of_scope.actions import claim, off_site, route, verdict
from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited
from agents.sops.out_of_scope.presence import shown_at
from agents.sops.out_of_scope.situation import TicketSituation, ticket_situations
from agents.sops.tables.alerts import AlertRow, AlertTable
from agents.sops.tables.cells import Results, Situation, decided, ticket


class PartnerAt(Situation[Assessment], frozen=True, kw_only=True):
    """What the rows about presence look at: one fact, and where the partner was at its time.

    `ticket` is the out-of-scope ticket, if the fact is the creation of one.
    """

    at: PresenceAt

    @property
    def time(self) -> int:
        """When the fact happened, in microseconds."""
        return self.at.fact.time

    @property
    def window_end(self) -> int:
        """The end of the time window for location reports, in microseconds."""
        return self.time + self.a.policy.presence.after

    @property
    def is_by_customer(self) -> bool:
        """The fact is a cancellation by the customer."""
        return any(c.ref == self.at.fact.ref and c.data.by == "customer" for c in self.a.engagement.cancellations)

    @property
    def stayed_on(self) -> bool:
        """The partner was on site when the customer cancelled, or stayed on site well after any cancellation."""
        return self.at.state == "on_site" and (self.is_by_customer or self.at.stay is not None)

    @property
    def has_mocked_report(self) -> bool:
        """The device reported a mocked location around that time."""
        return self.at.mocked is not None


def partner_at_cancellations(a: Assessment, results: Results) -> Iterator[PartnerAt]:
    """Yield where the partner was at every cancellation by anyone."""
    return (PartnerAt(a=a, results=results, at=at) for at in a.presence.cancellations)


def partner_at_deciding_facts(a: Assessment, results: Results) -> Iterator[PartnerAt]:
    """Yield where the partner was at every presence fact of the SOP."""
    created = {ticket.created.ref: ticket for ticket in a.engagement.oos_tickets}
    return (PartnerAt(a=a, results=results, at=at, ticket=created.get(at.fact.ref)) for at in a.presence.deciding)


def stayed_since(m: PartnerAt) -> int:
    """Return when the stay began to show (microseconds): at the customer's cancellation, else at the later report."""
    return m.time if m.is_by_customer or m.at.stay is None else m.at.stay.time


def seen(m: PartnerAt) -> Cited:
    """Return what shows where the partner was: fact, report, booking, and assignment at that time."""
    return shown_at(m.a.view, m.a.engagement, m.at)


def stay(m: PartnerAt) -> Cited:
    """Return the later report that shows the stay; nothing if the customer's cancellation shows it."""
    return () if m.is_by_customer or m.at.stay is None else (m.at.stay,)


def mocked_report(m: PartnerAt) -> Cited:
    """Return the fact and the mocked report near it."""
    return (m.at.fact,) if m.at.mocked is None else (m.at.fact, m.at.mocked)


ALERTS: Final = (
    AlertTable[Assessment, PartnerAt](
        facts=partner_at_cancellations,
        rows=(
            AlertRow(
                name="stayed_after_cancellation",
                about="moment",
                severity="warning",
                summary="the partner was on site after the job was cancelled: an offline service is suspected",
                clauses=("DIS-2", "DIS-3"),
                key=("case_id", "partner_id"),
                when=lambda m: m.stayed_on,
                not_before=lambda m: m.window_end,
                starts_at=stayed_since,
                evidence=(seen, stay),
            ),
        ),
    ),
    AlertTable[Assessment, PartnerAt](
        facts=partner_at_deciding_facts,
        rows=(
            AlertRow(
                name="ticket_outside_geofence",
                about="moment",
                severity="info",
                summary="an out-of-scope ticket was created while the partner was away from the site",
                clauses=("OOS-7", "OOS-19"),
                key=("case_id", "ticket_id"),
                when=lambda m: m.ticket is not None and m.at.state == "off_site",
                not_before=lambda m: m.window_end,
                starts_at=lambda m: m.time,
                evidence=(seen,),
            ),
            AlertRow(
                name="mocked_location",
                about="moment",
                severity="warning",
                summary="a mocked location was reported around a moment that matters",
                clauses=("OOS-7",),
                key=("case_id", "partner_id"),
                when=lambda m: m.has_mocked_report,
                starts_at=lambda m: m.time,
                evidence=(mocked_report,),
            ),
        ),
    ),
    AlertTable[Assessment, Situation[Assessment]](
        facts=lambda a, results: (Situation(a=a, results=results),),
        rows=(
            AlertRow(
                name="validated_off_site",
                about="condition",
                severity="critical",
                summary="the claim was validated although the partner was not at the site",
                clauses=("OOS-7", "OOS-21"),
                key=("case_id", "partner_id"),
                when=lambda s: s.a.verdict is not None and s.a.was_off_site and not s.a.is_commercial,
                evidence=(claim, verdict, off_site),
            ),
            AlertRow(
                name="bpc_only_cancellation",
                about="condition",
                severity="warning",
                summary="a partner who may only close at BPC cancelled",
                clauses=("OOS-2",),
                key=("case_id", "partner_id"),
                when=lambda s: s.reasons("paf") == ("cancellation_not_allowed",),
                evidence=(decided("paf"),),
            ),
        ),
    ),
    AlertTable[Assessment, TicketSituation](
        facts=ticket_situations,
        rows=(
            AlertRow(
                name="park_overdue",
                about="condition",
                severity="warning",
                summary="a parked ticket waits for the call to the partner",
                clauses=("OOS-10",),
                key=("case_id", "ticket_id"),
                when=lambda t: t.is_unresolved,
                not_before=lambda t: t.parked_until + t.a.policy.alert.park_overdue,
                evidence=(ticket, route),
            ),
        ),
    ),
)
