"""The next steps for the desk about an offline service (domain.md, "Actions")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agents.case.view import Ticket
from agents.sops.offline_service import evidence
from agents.sops.offline_service.assessment import Assessment
from agents.sops.offline_service.evidence import Cited
from agents.sops.tables.actions import ActionRow, ActionTable
from agents.sops.tables.cells import Results, Situation, of, ticket


class CaseSituation(Situation[Assessment], frozen=True, kw_only=True):
    """What the row about the case looks at; actions about an offline service name no partner."""

    @property
    def partner_id(self) -> None:
        """None, even if a partner was identified."""
        return


class TicketSituation(CaseSituation, frozen=True, kw_only=True):
    """What the rows about one qualifying ticket look at."""

    ticket: Ticket

    def fails(self, *reasons: str) -> bool:
        """Return whether a check fails for one of these reasons."""
        return not set(reasons).isdisjoint(self.a.reasons)

    def waits(self, *reasons: str) -> bool:
        """Return whether a check fails for one of these reasons and the ticket is open."""
        return self.ticket.is_open and self.fails(*reasons)


def ticket_situations(a: Assessment, results: Results) -> Iterator[TicketSituation]:
    """Yield what the rows look at, for each qualifying ticket."""
    return (TicketSituation(a=a, results=results, ticket=ticket) for ticket in a.tickets)


proof, identification = map(of, (evidence.proof, evidence.identification))


def refund_or_tagging(c: CaseSituation) -> Cited:
    """Return the evidence of the refund, else of the tagging."""
    return c.results["refund" if "refund" in c.results else "tagging"].evidence


TICKET_ACTIONS: Final[ActionTable[Assessment, TicketSituation]] = ActionTable(
    facts=ticket_situations,
    rows=(
        ActionRow(
            code="ask_customer_for_payment_proof",
            open=lambda t: t.waits("proof_missing"),
            done=lambda t: not t.fails("proof_missing"),
            clauses=("DIS-3",),
            evidence=(ticket,),
        ),
        ActionRow(
            code="ask_customer_for_partner_phone",
            open=lambda t: t.waits("partner_not_identified"),
            done=lambda t: not t.fails("partner_not_identified"),
            clauses=("DIS-4",),
            evidence=(ticket,),
        ),
        ActionRow(
            code="recheck_partner_id",
            open=lambda t: t.waits("partner_mismatch", "payee_mismatch", "date_mismatch"),
            done=lambda t: not t.fails("partner_mismatch", "payee_mismatch", "date_mismatch"),
            clauses=("DIS-4", "DIS-8"),
            evidence=(ticket, proof, identification),
        ),
        ActionRow(
            code="ask_for_clearer_image",
            open=lambda t: t.waits("proof_illegible", "payee_not_visible"),
            done=lambda t: not t.fails("proof_illegible", "payee_not_visible"),
            clauses=("DIS-5", "DIS-8"),
            evidence=(ticket, proof),
        ),
        ActionRow(
            code="replace_proof_link",
            open=lambda t: t.waits("proof_link_missing", "proof_link_is_ticket", "proof_link_invalid"),
            done=lambda t: not t.fails("proof_link_missing", "proof_link_is_ticket", "proof_link_invalid"),
            clauses=("DIS-6",),
            evidence=(ticket, proof),
        ),
    ),
)

CASE_ACTIONS: Final[ActionTable[Assessment, CaseSituation]] = ActionTable(
    facts=lambda a, results: (CaseSituation(a=a, results=results),),
    rows=(
        ActionRow(
            code="apologise_no_refund",
            open=lambda c: c.outcome("refund") == "refused",
            clauses=("DIS-10",),
            evidence=(refund_or_tagging,),
        ),
    ),
)
