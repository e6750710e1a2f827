"""Steps about an offline service: what opens each, what makes it done, what only ends it."""

import pytest

from agents.sop.offline_service import decisions
from agents.sop.offline_service_steps import ROWS, steps
from agents.verdict import Step
from schemas.events import EventData, TicketCreated
from tests.unit.offline_case import (
    BOOKED,
    IDENTIFIED,
    PROOF,
    REFUND,
    SECOND_TICKET,
    TICKET,
    TICKET_CLOSED,
    assessed,
    identified,
    proof,
)

CODES = {row.code for row in ROWS}
CASH = proof({"method": "cash"})


def taken(*data: EventData) -> tuple[Step, ...]:
    found = assessed(*data)
    return steps(found, decisions(found))


def opened(*data: EventData) -> dict[str, tuple[str, ...]]:
    return {step.code: step.clauses for step in taken(*data) if step.open}


@pytest.mark.parametrize(
    ("data", "code", "clauses"),
    [
        ((IDENTIFIED,), "ask_customer_for_payment_proof", ("DIS-3",)),
        ((PROOF,), "ask_customer_for_partner_phone", ("DIS-4",)),
        ((IDENTIFIED, proof({"claimed_partner_id": "p-2"})), "recheck_partner_id", ("DIS-4", "DIS-8")),
        ((identified({"phone": "1234567"}), PROOF), "recheck_partner_id", ("DIS-4", "DIS-8")),
        ((IDENTIFIED, proof({"paid_on": "2026-11-30"})), "recheck_partner_id", ("DIS-4", "DIS-8")),
        ((IDENTIFIED, proof({"legible": False})), "ask_for_clearer_image", ("DIS-5", "DIS-8")),
        (
            (IDENTIFIED, proof({"payee_name": None, "payee_phone": None})),
            "ask_for_clearer_image",
            ("DIS-5", "DIS-8"),
        ),
        ((IDENTIFIED, proof({"proof_url": ""})), "replace_proof_link", ("DIS-6",)),
        ((IDENTIFIED, proof({"proof_url": "T-1"})), "replace_proof_link", ("DIS-6",)),
        ((IDENTIFIED, proof({"proof_url": "https://h.example/"})), "replace_proof_link", ("DIS-6",)),
    ],
)
def test_a_failed_check_opens_its_step_until_the_ticket_is_closed(
    data: tuple[EventData, ...], code: str, clauses: tuple[str, ...]
) -> None:
    assert opened(BOOKED, TICKET, *data) == {code: clauses}
    closed = taken(BOOKED, TICKET, *data, TICKET_CLOSED)
    assert [(step.open, step.done) for step in closed if step.code == code] == [(False, False)]


def test_every_step_is_done_once_its_reason_is_gone() -> None:
    found = taken(BOOKED, TICKET, IDENTIFIED, PROOF)
    assert {step.code for step in found if step.done} == CODES
    assert not any(step.open for step in found)


def test_a_proof_done_on_a_closed_ticket_is_still_done() -> None:
    found = taken(BOOKED, TICKET, IDENTIFIED, TICKET_CLOSED, PROOF)
    assert {step.code for step in found if step.done} == CODES


@pytest.mark.parametrize("data", [(IDENTIFIED, CASH), (IDENTIFIED, PROOF)])
def test_cash_asks_nothing_more_of_the_desk(data: tuple[EventData, ...]) -> None:
    assert opened(BOOKED, TICKET, *data) == {}


def test_steps_are_per_qualifying_ticket_and_name_no_partner() -> None:
    other = TicketCreated(ticket_id="T-9", kind="out_of_scope", opened_by="partner")
    found = taken(BOOKED, TICKET, SECOND_TICKET, other, IDENTIFIED, TICKET_CLOSED)
    asked = [step for step in found if step.code == "ask_customer_for_payment_proof"]
    assert [(step.ticket_id, step.open) for step in asked] == [("T-1", False), ("T-2", True)]
    assert {step.partner_id for step in found} == {None}
    assert len(found) == 2 * len(ROWS) + 1


def test_evidence_is_the_ticket_and_what_the_step_rests_on() -> None:
    found = {step.code: {fact.ref for fact in step.evidence} for step in taken(BOOKED, TICKET, IDENTIFIED, PROOF)}
    assert found["ask_customer_for_payment_proof"] == {"s#1", "s#3"}
    assert found["ask_customer_for_partner_phone"] == {"s#1", "s#2"}
    assert found["recheck_partner_id"] == {"s#1", "s#2", "s#3"}
    closed = taken(BOOKED, TICKET, TICKET_CLOSED, TICKET_CLOSED)
    assert {fact.ref for step in closed for fact in step.evidence if step.ticket_id} == {"s#1", "s#2"}


@pytest.mark.parametrize(
    ("data", "open_"),
    [
        ((IDENTIFIED, CASH, REFUND), True),
        ((IDENTIFIED, REFUND, TICKET_CLOSED), True),
        ((IDENTIFIED, REFUND), False),
        ((IDENTIFIED, CASH), False),
        ((IDENTIFIED, PROOF, REFUND), False),
    ],
)
def test_a_refused_refund_asks_for_an_apology(data: tuple[EventData, ...], open_: bool) -> None:
    apology = taken(BOOKED, TICKET, *data)[-1]
    assert (apology.code, apology.ticket_id, apology.clauses) == ("apologise_no_refund", None, ("DIS-10",))
    assert (apology.open, apology.done) == (open_, False)


def test_an_apology_cites_the_request() -> None:
    apology = taken(BOOKED, TICKET, IDENTIFIED, CASH, REFUND)[-1]
    assert {fact.ref for fact in apology.evidence} == {"s#1", "s#2", "s#3", "s#4"}
