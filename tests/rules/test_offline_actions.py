"""Next steps of the offline side: per qualifying ticket and per case, and how they end."""

from __future__ import annotations

import pytest

from tests.rules.table import StepRow, step
from tests.rules.test_offline import KIND, complaint, shown
from tests.scenario import Scenario

PROOF = "ask_customer_for_payment_proof"
PHONE = "ask_customer_for_partner_phone"
RECHECK = "recheck_partner_id"
IMAGE = "ask_for_clearer_image"
LINK = "replace_proof_link"
SORRY = "apologise_no_refund"


def row(name: str, case: Scenario, code: str, state: str, clauses: str = "", ticket: str | None = "o1") -> object:
    return step(name, case, code, state, clauses, partner=None, ticket=ticket)


TABLE = [
    row("none yet", complaint(), PROOF, "open", "DIS-3"),
    row("a proof", shown(), PROOF, "done"),
    row("a bad proof", shown(method="cash"), PROOF, "done"),
    row("the ticket closed", complaint().ticket_closed("11:00", "o1"), PROOF, "withdrawn"),
    row(
        "another qualifying ticket closed",
        complaint().ticket("10:30", "o2", kind=KIND).ticket_closed("11:00", "o2"),
        PROOF,
        "open",
        "DIS-3",
    ),
    row("each qualifying ticket", complaint().ticket("10:30", "o2", kind=KIND), PROOF, "open", "DIS-3", "o2"),
    row(
        "a ticket that does not qualify",
        complaint().ticket("10:30", "o2", kind="poor_service"),
        PROOF,
        "withdrawn",
        ticket="o2",
    ),
    row("nobody identified", complaint(), PHONE, "open", "DIS-4"),
    row("identified", complaint().identified("11:00"), PHONE, "done"),
    row("the ticket closed", complaint().ticket_closed("11:00", "o1"), PHONE, "withdrawn"),
    row("another partner", shown(claimed_partner_id="p2"), RECHECK, "open", "DIS-4 DIS-8"),
    row("another payee", shown(payee_phone="+919876543211"), RECHECK, "open", "DIS-4 DIS-8"),
    row("another day", shown(paid_on="2026-11-10"), RECHECK, "open", "DIS-4 DIS-8"),
    row("another day, not tagged for good", shown(paid_on="2026-11-10", method="cash"), RECHECK, "open", "DIS-4 DIS-8"),
    row("all right", shown(), RECHECK, "done"),
    row("only illegible", shown(legible=False), RECHECK, "done"),
    row("the ticket closed", shown(claimed_partner_id="p2").ticket_closed("13:00", "o1"), RECHECK, "withdrawn"),
    row("illegible", shown(legible=False), IMAGE, "open", "DIS-5 DIS-8"),
    row("no payee", shown(payee_name=None, payee_phone=None), IMAGE, "open", "DIS-5 DIS-8"),
    row("a clearer one", shown(legible=False).proof("13:00"), IMAGE, "done"),
    row("the ticket closed", shown(legible=False).ticket_closed("13:00", "o1"), IMAGE, "withdrawn"),
    row("no link", shown(proof_url=""), LINK, "open", "DIS-6"),
    row("a ticket id", shown(proof_url="TCK-1"), LINK, "open", "DIS-6"),
    row("no image", shown(proof_url="https://media.example/page"), LINK, "open", "DIS-6"),
    row("a better one", shown(proof_url="").proof("13:00"), LINK, "done"),
    row("the ticket closed", shown(proof_url="").ticket_closed("13:00", "o1"), LINK, "withdrawn"),
    row("refused", shown(method="cash").refund_asked("13:00"), SORRY, "open", "DIS-10", None),
    row(
        "refused, all closed",
        shown(legible=False).refund_asked("13:00").ticket_closed("14:00", "o1"),
        SORRY,
        "open",
        "DIS-10",
        None,
    ),
    row("awaiting a proof", shown(legible=False).refund_asked("13:00"), SORRY, "withdrawn", ticket=None),
    row("eligible", shown().refund_asked("13:00"), SORRY, "withdrawn", ticket=None),
    row("not asked for", shown(method="cash"), SORRY, "withdrawn", ticket=None),
]


@pytest.mark.parametrize("row", TABLE)
def test_a_step_follows_the_table(row: StepRow) -> None:
    outcome = row.case.verdict(row.now)
    assert outcome.state(row.code, row.partner, row.ticket) == row.state
    if row.state == "open":
        found = outcome.step(row.code, row.partner, row.ticket)
        assert found is not None
        assert tuple(sorted(found.clauses)) == row.clauses


def test_offline_steps_name_no_partner_although_the_ticket_does() -> None:
    case = Scenario().booked().ticket("10:00", "o1", kind=KIND, partner_id="p1")
    assert case.verdict().state(PROOF, None, "o1") == "open"


def test_a_case_without_qualifying_ticket_has_no_offline_step() -> None:
    assert not complaint("poor_service").verdict().open_codes()
