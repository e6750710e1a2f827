"""Checks of the offline side: each on both sides, its reason and clauses when it fails."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, row
from tests.rules.test_offline_tagging import PARTIAL, complaint, not_tagged, proven, tagged
from tests.scenario import Scenario

LETTERS = "a" * 17
"""Two words that differ in three letters after these score exactly 0.85."""


def named(payee: str, partner: str) -> Scenario:
    """A proof that shows a payee's name only, and the partner's name."""
    return complaint().identified(name=partner).proof(payee_name=payee, payee_phone=None)


TABLE = [
    # booking_missing
    row("no booking yet", Scenario().complaint().identified().proof(), not_tagged("booking_missing", "DIS-2")),
    row("a booking that comes later", Scenario().complaint().identified().proof().booked("13:00"), PARTIAL),
    row("no booking needed", complaint("o1").identified().proof(), tagged("no_booking", "o1 proof identified")),
    # proof_missing, partner_not_identified
    row("nothing yet", complaint(), not_tagged("proof_missing partner_not_identified", "DIS-3 DIS-4", "o1")),
    row("no proof", complaint().identified(), not_tagged("proof_missing", "DIS-3", "o1 identified")),
    row("nobody identified", complaint().proof(), not_tagged("partner_not_identified", "DIS-4", "o1 proof")),
    # cash_payment
    row("cash", proven(method="cash"), not_tagged("cash_payment", "DIS-3", status="final")),
    *(row(method, proven(method=method), PARTIAL) for method in ("upi", "bank_transfer", "card", "wallet", "other")),
    # proof_link_…, of which only the first is reported (more of them in test_proof_link.py)
    row("blank link", proven(proof_url=" "), not_tagged("proof_link_missing", "DIS-6")),
    row("the ticket's id as link", proven(proof_url=" O1 "), not_tagged("proof_link_is_ticket", "DIS-6")),
    row(
        "any ticket's id as link",
        proven(proof_url="side/ticket").ticket("09:00", "Side/Ticket"),
        not_tagged("proof_link_is_ticket", "DIS-6"),
    ),
    row("the id of no ticket as link", proven(proof_url="side/ticket"), not_tagged("proof_link_invalid", "DIS-6")),
    row("what looks like a ticket's id", proven(proof_url="TCK-12"), not_tagged("proof_link_is_ticket", "DIS-6")),
    row("a page", proven(proof_url="https://media.example/page"), not_tagged("proof_link_invalid", "DIS-6")),
    # proof_illegible
    row("illegible", proven(legible=False), not_tagged("proof_illegible", "DIS-5 DIS-8")),
    # payee_not_visible
    row("no payee", proven(payee_name=None, payee_phone=None), not_tagged("payee_not_visible", "DIS-5")),
    row("blank payee", proven(payee_name="  ", payee_phone=""), not_tagged("payee_not_visible", "DIS-5")),
    row("an honorific only", proven(payee_name="Mr.", payee_phone=None), not_tagged("payee_not_visible", "DIS-5")),
    row(
        "a masked phone only",
        proven(payee_name=None, payee_phone="98765XxXxX"),
        not_tagged("payee_not_visible", "DIS-5"),
    ),
    row(
        "no payee, nobody identified",
        complaint().proof(payee_name=None, payee_phone=None),
        not_tagged("payee_not_visible partner_not_identified", "DIS-4 DIS-5", "o1 proof"),
    ),
    row("a name only", proven(payee_phone=None), PARTIAL),
    row("a phone only", proven(payee_name=None), PARTIAL),
    # payee_mismatch (more of them in test_payee.py)
    row("another phone", proven(payee_phone="+919876543211"), not_tagged("payee_mismatch", "DIS-4 DIS-7")),
    row("another name, the same phone", proven(payee_name="Asha Rao"), PARTIAL),
    row(
        "another name, no phone",
        proven(payee_name="Asha Rao", payee_phone=None),
        not_tagged("payee_mismatch", "DIS-4 DIS-7"),
    ),
    row("names that score 0.85", named(LETTERS + "abc", LETTERS + "xyz"), PARTIAL),
    row(
        "names that score less",
        named(LETTERS + "abc", LETTERS[1:] + "wxyz"),
        not_tagged("payee_mismatch", "DIS-4 DIS-7"),
    ),
    row(
        "nothing to compare",
        complaint().identified(name=None).proof(payee_phone=None),
        not_tagged("payee_mismatch", "DIS-4 DIS-7"),
    ),
    row(
        "another payee, nobody identified",
        complaint().proof(payee_phone="+919876543211"),
        not_tagged("partner_not_identified", "DIS-4", "o1 proof"),
    ),
    # partner_mismatch
    row("another partner claimed", proven(claimed_partner_id="p2"), not_tagged("partner_mismatch", "DIS-4 DIS-8")),
    row("ids in another letter case", proven(claimed_partner_id="P1"), not_tagged("partner_mismatch", "DIS-4 DIS-8")),
    row(
        "another partner claimed, nobody identified",
        complaint().proof(claimed_partner_id="p2"),
        not_tagged("partner_not_identified", "DIS-4", "o1 proof"),
    ),
    # date_mismatch
    row("paid two days before", proven(paid_on="2026-11-18"), not_tagged("date_mismatch", "DIS-4")),
    row("paid a day before", proven(paid_on="2026-11-19"), PARTIAL),
    row("paid a day after", proven(paid_on="2026-11-21"), PARTIAL),
    row("paid two days after", proven(paid_on="2026-11-22"), not_tagged("date_mismatch", "DIS-4")),
    row(
        "a day after, in the next year",
        proven(paid_on="2027-01-01", service_date="2026-12-31"),
        tagged("partial", "o1 proof identified booked", service_date="2026-12-31"),
    ),
    # all of them are made
    row(
        "everything at once",
        proven(
            method="cash",
            proof_url=" ",
            legible=False,
            payee_name="Asha Rao",
            payee_phone=None,
            claimed_partner_id="p2",
            paid_on="2026-11-10",
        ),
        not_tagged(
            "cash_payment date_mismatch partner_mismatch payee_mismatch proof_illegible proof_link_missing",
            "DIS-3 DIS-4 DIS-5 DIS-6 DIS-7 DIS-8",
            status="final",
        ),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_offline_checks(row: Row) -> None:
    assert row.found() == row.stated()
