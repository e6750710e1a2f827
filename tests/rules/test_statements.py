"""What a statement says would change a decision does change it, in every case of the rule tables that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from agents.sops.offline_service.statements import A_PROOF, ANOTHER_PARTNER
from agents.sops.out_of_scope.statements import paf, shared
from agents.sops.statement import STATEMENTS
from agents.sops.tables.statements import Change, Text, Wording, first_fitting
from schemas.events import CancellationRecorded, JobBooked, MediaAdded, TicketCreated
from schemas.outputs import DecisionBody
from tests.rules.table import Row, job, rows_of
from tests.scenario import MIDNIGHT, POLICY, SITE, Scenario, evaluate_case, instant

Fact = Callable[[Scenario, DecisionBody], object]
RULES: Final = Path(__file__).parent


# The facts that statements name. Each adds to a case after its latest event, unless it says otherwise.


def tickets(case: Scenario, *kinds: str, by: str | None = None) -> list[str]:
    """Return the ids of tickets in fact order; of several creations of a ticket the earliest counts."""
    created = sorted((each for each in case.facts if each.type == "ticket.created"), key=lambda each: each.order)
    earliest: dict[str, TicketCreated] = {}
    for each in created:
        assert isinstance(each.data, TicketCreated)
        earliest.setdefault(each.data.ticket_id, each.data)
    return [name for name, each in earliest.items() if each.kind in kinds and by in {None, each.opened_by}]


def a_ticket(case: Scenario, _: DecisionBody) -> None:
    """The partner has opened a ticket; where that was, no location report shows."""
    if not tickets(case, "out_of_scope"):
        case.ticket("+30m", "new")


def own_ticket(case: Scenario, _: DecisionBody) -> None:
    if not tickets(case, "out_of_scope", by="partner"):
        case.ticket("+30m", "own")


def ticket_at_the_site(case: Scenario, _: DecisionBody) -> None:
    case.ticket("+30m", "new").report("+0s", 50, accuracy=0.01)


def validated(case: Scenario, _: DecisionBody) -> None:
    """The latest ticket is validated as genuine, with images that somebody else adds."""
    ticket = tickets(case, "out_of_scope")[-1]
    for number in range(3):
        case.image("+1m", ticket, by="agent", url=f"new-{number}")
    case.validated("+1m", ticket=ticket)


def refused(case: Scenario, _: DecisionBody) -> None:
    case.validated("+1m", "not_genuine", tickets(case, "out_of_scope")[-1])


def site_of(case: Scenario) -> tuple[float, float]:
    bookings = [
        each.data for each in sorted(case.facts, key=lambda each: each.order) if isinstance(each.data, JobBooked)
    ]
    return (bookings[-1].site.lat, bookings[-1].site.lon) if bookings else SITE


def shown_at_the_site(case: Scenario, _: DecisionBody) -> None:
    """There are better location reports of all moments that matter, and they are from the site."""
    for each in case.facts:
        match each.data:
            case (
                TicketCreated(kind="out_of_scope") | MediaAdded(added_by="partner") | CancellationRecorded(by="partner")
            ):
                case._last = MIDNIGHT
                case.report(f"{each.time - MIDNIGHT:+}us", 50, accuracy=0.01, site=site_of(case))


def booked(case: Scenario, _: DecisionBody) -> None:
    case.booked()


def regrouped(case: Scenario, _: DecisionBody) -> None:
    case.assigned("+1m")


def closed_at_bpc(case: Scenario, _: DecisionBody) -> None:
    case.closed("+1m")


def marked(case: Scenario, _: DecisionBody) -> None:
    case.customer_cancelled("+1m", marked="partner")


def complaint(case: Scenario) -> str:
    """Return the id of a ticket that qualifies."""
    return [*tickets(case, "offline_service"), *tickets(case, "poor_service")][0]


def another_partner(case: Scenario, _: DecisionBody) -> None:
    case.identified("+1m", "somebody-else", ticket=complaint(case))


def a_proof(case: Scenario, body: DecisionBody) -> None:
    ticket = complaint(case)
    if "booking_missing" in body.reasons:
        case.booked()
    case.identified("+1m", body.partner_id or "", ticket=ticket)
    case.proof("+1m", ticket=ticket, claimed_partner_id=body.partner_id)


def fact_of(kind: str, outcome: str, reason: str) -> Text:
    """Return the first fact that would change a decision, for those whose text no other decision has."""
    wordings = STATEMENTS["out_of_scope", kind].wordings
    return next(each for each in wordings if (each.outcome, each.reason) == (outcome, reason)).changes[0].fact


FACTS: Final[dict[Text, tuple[Fact, ...]]] = {
    shared.SHOWN_AT_THE_SITE: (shown_at_the_site,),
    shared.VALIDATED: (validated,),
    shared.VALIDATED_AND_SHOWN: (validated, shown_at_the_site),
    shared.VALIDATED_LATER: (validated,),
    shared.VALIDATED_LATER_AND_SHOWN: (validated, shown_at_the_site),
    shared.A_TICKET_IS_VALIDATED: (a_ticket, validated),
    shared.A_TICKET_IS_VALIDATED_AND_SHOWN: (a_ticket, validated, shown_at_the_site),
    shared.REFUSED_LATER: (refused,),
    paf.TICKET_CREATED.fact: (ticket_at_the_site,),
    paf.TICKET_VALIDATED.fact: (ticket_at_the_site, validated),
    paf.MARKED: (marked,),
    fact_of("paf", "under_review", "booking_missing"): (booked, a_ticket, validated, shown_at_the_site),
    fact_of("paf", "upheld", "cancellation_not_allowed"): (regrouped, a_ticket, validated, shown_at_the_site),
    fact_of("rating_reversal", "awaiting_verification", "job_not_closed"): (
        *(closed_at_bpc, own_ticket, validated, shown_at_the_site),
    ),
    fact_of("rating_reversal", "denied", "not_closed_at_bpc"): (
        *(closed_at_bpc, own_ticket, validated, shown_at_the_site),
    ),
    fact_of("rating_reversal", "denied", "no_oos_ticket"): (own_ticket, validated, shown_at_the_site),
    ANOTHER_PARTNER.fact: (another_partner,),
    A_PROOF.fact: (a_proof,),
}


def decided(case: Scenario, now: int) -> Iterator[DecisionBody]:
    now = max(now, *(each.time for each in case.arrivals))
    for each in evaluate_case(case.case_id, case.facts, case.reports, POLICY, now).decisions:
        yield each.body


def with_facts(case: Scenario, facts: tuple[Fact, ...], body: DecisionBody) -> Scenario:
    case = case.copy()
    for fact in facts:
        case._last = max(each.time for each in case.arrivals)
        fact(case, body)
    return case


UNPROVEN: Final = [
    Row(Scenario("o1").complaint().identified(), (), None, ""),
    Row(job().customer_cancelled("09:00").complaint().identified(), (), None, ""),
]
"""Cases of an offline service of each type that the rule tables only have proven."""


@cache
def cases() -> dict[int, list[tuple[Scenario, int, DecisionBody]]]:
    """Return the cases of all rule tables with one partner and the built-in policy, by the id of the wording."""
    found: dict[int, list[tuple[Scenario, int, DecisionBody]]] = {}
    modules = [import_module(f"tests.rules.{path.stem}") for path in sorted(RULES.glob("test_*.py"))]
    for row in (*rows_of(each for module in modules for each in getattr(module, "TABLE", [])), *UNPROVEN):
        if row.policy or {getattr(each.data, "partner_id", None) for each in row.case.facts} - {None, "p1"}:
            continue
        now = instant(row.now) if row.now else 0
        for body in decided(row.case, now) if row.case.arrivals else ():
            texts = STATEMENTS.get((body.subject_of, body.kind))
            wording = texts and first_fitting(texts.wordings, body)
            if wording and body.partner_id:
                found.setdefault(id(wording), []).append((row.case, now, body))
    return found


CHANGES: Final = [
    pytest.param(wording, change, id=f"{kind} {wording.outcome} {wording.reason} {number}.{at}")
    for (_, kind), texts in STATEMENTS.items()
    for number, wording in enumerate(texts.wordings)
    for at, change in enumerate(wording.changes)
]


@pytest.mark.parametrize(("wording", "change"), CHANGES)
def test_a_fact_changes_the_decision_as_the_statement_says(wording: Wording, change: Change) -> None:
    reached = set()
    for case, now, before in cases()[id(wording)]:
        changed = with_facts(case, FACTS[change.fact], before)
        bodies = [
            each for each in decided(changed, now) if (each.kind, each.subject_of) == (before.kind, before.subject_of)
        ]
        (after,) = bodies
        assert after.outcome in change.outcomes, (case, changed, after.reasons)
        assert change.status in {None, after.status}, (case, changed, after.reasons)
        assert (after.outcome, after.status, after.reasons) != (before.outcome, before.status, before.reasons)
        reached.add(after.outcome)
    assert reached == {*change.outcomes}
