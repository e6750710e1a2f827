"""Offline service: who qualifies, each check and the tagging, row by row of the tables."""

from collections.abc import Iterator

import pytest
from msgspec import UNSET, structs

from agents.clauses import CLAUSES
from agents.sop.offline_service import CHECKS, assess, decisions
from schemas.events import EventData, RefundRequested, TicketClosed, TicketCreated
from schemas.outputs import DecisionBody
from schemas.policy.model import MINUTE, Offline
from tests.unit.offline_case import (
    BOOKED,
    CANCELLED,
    CLOSED,
    IDENTIFIED,
    POLICY,
    PROOF,
    REFUND,
    SECOND_TICKET,
    TICKET,
    TICKET_CLOSED,
    assessed,
    decided,
    history,
    identified,
    proof,
    refs,
)

GOOD = (BOOKED, CANCELLED, TICKET, IDENTIFIED, PROOF)
POOR = structs.replace(TICKET, kind="poor_service")
SUSPECTED = structs.replace(POOR, offline_suspected=True)
CASH = proof({"method": "cash"})


# Qualification, reporting, type


@pytest.mark.parametrize(
    ("data", "qualifies"),
    [
        ((TICKET,), True),
        ((POOR,), False),
        ((SUSPECTED,), True),
        ((POOR, PROOF), True),
        ((POOR, IDENTIFIED, REFUND), False),
        ((structs.replace(TICKET, kind="out_of_scope", offline_suspected=True), PROOF), False),
        ((structs.replace(TICKET, kind="rating_reversal", offline_suspected=True), PROOF), False),
        ((PROOF, IDENTIFIED), False),
        ((BOOKED, CANCELLED), False),
        ((), False),
    ],
)
def test_which_tickets_qualify(data: tuple[EventData, ...], qualifies: bool) -> None:
    assert (assess(history(*data), POLICY) is not None) is qualifies


@pytest.mark.parametrize(
    ("data", "reporting"),
    [
        ((TICKET,), "direct"),
        ((SUSPECTED,), "indirect"),
        ((SUSPECTED, SECOND_TICKET), "indirect"),
        ((TICKET, structs.replace(SUSPECTED, ticket_id="T-2")), "direct"),
        ((POOR, SECOND_TICKET), "direct"),  # the earlier one does not qualify
    ],
)
def test_the_earliest_qualifying_ticket_says_how_it_was_reported(data: tuple[EventData, ...], reporting: str) -> None:
    assert assessed(*data).reporting == reporting


@pytest.mark.parametrize(
    ("data", "case_id", "service_type"),
    [
        ((TICKET,), "T-1", "no_booking"),
        ((TICKET, CANCELLED), "T-1", "no_booking"),
        ((SECOND_TICKET, TICKET), "T-1", "no_booking"),
        ((TICKET, POOR), "job-1", "partial"),
        ((structs.replace(POOR, ticket_id="T-0"), TICKET), "T-0", "partial"),  # its ticket does not qualify
        ((CANCELLED, TICKET), "job-1", "cancelled_then_served"),
        ((CLOSED, CANCELLED, TICKET), "job-1", "cancelled_then_served"),
        ((CANCELLED, CLOSED, TICKET), "job-1", "partial"),
        ((CANCELLED, CLOSED, CANCELLED, TICKET), "job-1", "cancelled_then_served"),
        ((CLOSED, TICKET), "job-1", "partial"),
        ((BOOKED, TICKET), "job-1", "partial"),
    ],
)
def test_type(data: tuple[EventData, ...], case_id: str, service_type: str) -> None:
    assert assessed(*data, case_id=case_id).service_type == service_type


# Checks


def test_a_good_case_fails_no_check() -> None:
    assert assessed(*GOOD).reasons == ()


@pytest.mark.parametrize(
    ("data", "reasons"),
    [
        ((TICKET, IDENTIFIED, PROOF), ("booking_missing",)),
        ((BOOKED, TICKET, IDENTIFIED), ("proof_missing",)),
        ((BOOKED, TICKET, PROOF), ("partner_not_identified",)),
        ((BOOKED, TICKET), ("proof_missing", "partner_not_identified")),
        ((TICKET,), ("booking_missing", "proof_missing", "partner_not_identified")),
    ],
)
def test_checks_of_what_is_absent(data: tuple[EventData, ...], reasons: tuple[str, ...]) -> None:
    assert assessed(*data).reasons == reasons


def test_no_booking_needs_no_booking() -> None:
    assert assessed(TICKET, IDENTIFIED, PROOF, case_id="T-1").reasons == ()


def changed() -> Iterator[tuple[dict[str, object], dict[str, object], tuple[str, ...]]]:
    """Changes of the proof, changes of the identification, and the reasons that they bring about."""
    yield {"method": "cash"}, {}, ("cash_payment",)
    for method in ("upi", "bank_transfer", "card", "wallet", "other"):
        yield {"method": method}, {}, ()
    yield {"proof_url": " "}, {}, ("proof_link_missing",)
    yield {"proof_url": "t-1"}, {}, ("proof_link_is_ticket",)
    yield {"proof_url": "https://cdn.example/page"}, {}, ("proof_link_invalid",)
    yield {"legible": False}, {}, ("proof_illegible",)
    yield {"payee_name": None, "payee_phone": " "}, {}, ("payee_not_visible",)
    yield {"payee_phone": "9876543211"}, {}, ("payee_mismatch",)
    yield {"payee_phone": None, "payee_name": "Sunil Mehta"}, {}, ("payee_mismatch",)
    yield {"payee_phone": None}, {"name": None}, ("payee_mismatch",)
    yield {}, {"name": None, "phone": None}, ("payee_mismatch",)
    yield {"claimed_partner_id": "p-2"}, {}, ("partner_mismatch",)
    yield {}, {"partner_id": "p-2"}, ("partner_mismatch",)
    yield {"claimed_partner_id": "P-1"}, {}, ("partner_mismatch",)
    for paid_on, fails in (("19", True), ("20", False), ("21", False), ("22", False), ("23", True)):
        yield {"paid_on": f"2026-11-{paid_on}"}, {}, ("date_mismatch",) if fails else ()
    yield {"paid_on": "2027-01-01", "service_date": "2026-12-31"}, {}, ()
    yield (
        {
            "method": "cash",
            "proof_url": "",
            "legible": False,
            "payee_name": "Sunil Mehta",
            "payee_phone": None,
            "claimed_partner_id": "p-2",
            "paid_on": "2026-11-01",
        },
        {},
        (
            "cash_payment",
            "proof_link_missing",
            "proof_illegible",
            "payee_mismatch",
            "partner_mismatch",
            "date_mismatch",
        ),
    )


@pytest.mark.parametrize(("of_proof", "of_partner", "reasons"), list(changed()))
def test_checks_of_proof_and_partner(
    of_proof: dict[str, object], of_partner: dict[str, object], reasons: tuple[str, ...]
) -> None:
    found = assessed(BOOKED, CANCELLED, TICKET, identified(of_partner), proof(of_proof))
    assert found.reasons == reasons


def test_the_id_of_any_ticket_of_the_case_is_no_link() -> None:
    other = TicketCreated(ticket_id="my/complaint", kind="out_of_scope", opened_by="partner")
    linked = proof({"proof_url": " MY/Complaint "})
    assert assessed(BOOKED, TICKET, IDENTIFIED, linked).reasons == ("proof_link_invalid",)
    assert assessed(BOOKED, TICKET, IDENTIFIED, linked, other).reasons == ("proof_link_is_ticket",)


def test_tolerance_of_days_is_policy() -> None:
    policy = structs.replace(POLICY, offline=Offline(date_tolerance_days=0))
    assert assessed(*GOOD[:-1], proof({"paid_on": "2026-11-22"}), policy=policy).reasons == ("date_mismatch",)
    assert assessed(*GOOD, policy=policy).reasons == ()


def test_every_check_cites_known_clauses_of_its_own_sop() -> None:
    cited = {clause for check in CHECKS for clause in check.clauses}
    assert cited <= set(CLAUSES)
    assert cited == {"DIS-2", "DIS-3", "DIS-4", "DIS-5", "DIS-6", "DIS-7", "DIS-8"}


@pytest.mark.parametrize(
    ("proofs", "counts"),
    [
        ((PROOF, PROOF), 4),
        ((PROOF, CASH), 3),
        ((CASH, PROOF), 4),
        ((PROOF, PROOF, CASH), 4),
        ((CASH, proof({"legible": False})), 4),
        ((proof({"legible": False}), CASH), 4),
    ],
)
def test_the_latest_good_proof_counts_else_the_latest(proofs: tuple[EventData, ...], counts: int) -> None:
    found = assessed(BOOKED, TICKET, IDENTIFIED, *proofs)
    assert found.proof is not None
    assert found.proof.ref == f"s#{counts}"


def test_the_latest_identification_counts_on_whatever_qualifying_ticket() -> None:
    second = identified({"ticket_id": "T-2", "partner_id": "p-2"})
    body = decided(BOOKED, SECOND_TICKET, TICKET, IDENTIFIED, PROOF, second)["tagging"]
    assert (body.partner_id, body.reasons) == ("p-2", ("partner_mismatch",))


def test_what_was_added_to_other_tickets_does_not_count() -> None:
    other = TicketCreated(ticket_id="T-9", kind="out_of_scope", opened_by="partner", refund_requested=True)
    added = (proof({"ticket_id": "T-9"}), identified({"ticket_id": "T-9"}), RefundRequested(ticket_id="T-9"))
    found = assessed(BOOKED, TICKET, other, *added)
    assert found.reasons == ("proof_missing", "partner_not_identified")
    assert found.refund_request is None


# Tagging


@pytest.mark.parametrize(
    ("data", "case_id", "service_type", "evidence"),
    [
        ((BOOKED, TICKET, IDENTIFIED, PROOF, BOOKED), "T-1", "no_booking", (1, 2, 3)),
        ((BOOKED, CANCELLED, CANCELLED, *GOOD[2:]), "job-1", "cancelled_then_served", (0, 2, 3, 4, 5)),
        ((BOOKED, CANCELLED, CLOSED, *GOOD[2:]), "job-1", "partial", (0, 3, 4, 5)),
        ((BOOKED, TICKET, SECOND_TICKET, IDENTIFIED, PROOF, BOOKED), "job-1", "partial", (1, 3, 4, 5)),
    ],
)
def test_tagged(data: tuple[EventData, ...], case_id: str, service_type: str, evidence: tuple[int, ...]) -> None:
    assert decisions(assessed(*data, case_id=case_id)) == (
        DecisionBody(
            kind="tagging",
            subject_of="offline_service",
            case_id=case_id,
            partner_id="p-1",
            status="final",
            outcome=f"offline_service/{service_type}",
            clauses=("DIS-2", "DIS-9"),
            evidence=refs(*evidence),
            policy="default@h",
            effective_at=max(evidence) * MINUTE,
            service_date="2026-11-21",
            proof_given=True,
            proof_url="https://cdn.example/images/42",
            reporting="direct",
        ),
    )


def test_indirect_reports_cite_their_clause() -> None:
    assert decided(BOOKED, POOR, IDENTIFIED, PROOF)["tagging"].clauses == ("DIS-1", "DIS-2", "DIS-9")
    assert decided(BOOKED, POOR, IDENTIFIED, CASH)["tagging"].clauses == ("DIS-1", "DIS-3")


def test_a_link_goes_out_as_it_came() -> None:
    link = " https://cdn.example/images/42 "
    assert decided(BOOKED, TICKET, IDENTIFIED, proof({"proof_url": link}))["tagging"].proof_url == link


@pytest.mark.parametrize(
    ("data", "status", "reasons", "clauses", "evidence"),
    [
        (
            (BOOKED, TICKET),
            "provisional",
            ("partner_not_identified", "proof_missing"),
            ("DIS-3", "DIS-4"),
            (1,),
        ),
        (
            (BOOKED, TICKET, IDENTIFIED, proof({"legible": False, "payee_phone": "1234567"})),
            "provisional",
            ("payee_mismatch", "proof_illegible"),
            ("DIS-4", "DIS-5", "DIS-7", "DIS-8"),
            (1, 2, 3),
        ),
        (
            (BOOKED, TICKET, IDENTIFIED, TICKET_CLOSED, TICKET_CLOSED),
            "final",
            ("proof_missing",),
            ("DIS-3",),
            (1, 2, 3),
        ),
        (
            (BOOKED, TICKET, SECOND_TICKET, IDENTIFIED, TICKET_CLOSED),
            "provisional",
            ("proof_missing",),
            ("DIS-3",),
            (1, 3),
        ),
        (
            (BOOKED, TICKET, SECOND_TICKET, IDENTIFIED, TICKET_CLOSED, TicketClosed(ticket_id="T-2")),
            "final",
            ("proof_missing",),
            ("DIS-3",),
            (1, 3, 4, 5),
        ),
        ((BOOKED, TICKET, IDENTIFIED, CASH), "final", ("cash_payment",), ("DIS-3",), (1, 2, 3)),
        ((BOOKED, TICKET, IDENTIFIED, CASH, TICKET_CLOSED), "final", ("cash_payment",), ("DIS-3",), (1, 2, 3)),
        (
            (TICKET, IDENTIFIED, CASH, TICKET_CLOSED),
            "provisional",
            ("booking_missing", "cash_payment"),
            ("DIS-2", "DIS-3"),
            (0, 1, 2),
        ),
    ],
)
def test_not_tagged(
    data: tuple[EventData, ...],
    status: str,
    reasons: tuple[str, ...],
    clauses: tuple[str, ...],
    evidence: tuple[int, ...],
) -> None:
    body = decided(*data)["tagging"]
    assert (body.outcome, body.status) == ("offline_service/not_tagged", status)
    assert (body.reasons, body.clauses, body.evidence) == (reasons, clauses, refs(*evidence))
    assert (body.reporting, body.proof_given, body.proof_url, body.service_date) == ("direct", UNSET, UNSET, UNSET)


def test_nobody_identified_is_nobody() -> None:
    assert decided(BOOKED, TICKET, PROOF)["tagging"].partner_id is None
