"""Actions of the offline side: per qualifying ticket and per case, and how they end."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, action, row
from tests.rules.test_offline_tagging import complaint, proven

PROOF = action("ask_customer_for_payment_proof", "DIS-3", ticket="o1", partner=None)
PHONE = action("ask_customer_for_partner_phone", "DIS-4", ticket="o1", partner=None)
RECHECK = action("recheck_partner_id", "DIS-4 DIS-8", ticket="o1", partner=None)
IMAGE = action("ask_for_clearer_image", "DIS-5 DIS-8", ticket="o1", partner=None)
LINK = action("replace_proof_link", "DIS-6", ticket="o1", partner=None)
SORRY = action("apologise_no_refund", "DIS-10", partner=None)

TABLE = [
    row("none yet", complaint(), PROOF.citing("o1")),
    row("a proof", proven(), PROOF.done),
    row("a bad proof", proven(method="cash"), PROOF.done),
    row("the ticket closed", complaint().ticket_closed("11:00", "o1"), PROOF.withdrawn),
    row(
        "another qualifying ticket closed",
        complaint().complaint("10:30", "o2").ticket_closed("11:00", "o2"),
        PROOF.open,
    ),
    row("each qualifying ticket", complaint().complaint("10:30", "o2"), PROOF.about(ticket_id="o2").open),
    row(
        "a ticket that does not qualify",
        complaint().ticket("10:30", "o2", kind="poor_service"),
        PROOF.about(ticket_id="o2").never,
    ),
    row("nobody identified", complaint(), PHONE.citing("o1")),
    row("identified", complaint().identified(), PHONE.done),
    row("the ticket closed", complaint().ticket_closed("11:00", "o1"), PHONE.withdrawn),
    row("another partner", proven(claimed_partner_id="p2"), RECHECK.citing("o1 proof identified")),
    row("another payee", proven(payee_phone="+919876543211"), RECHECK.open),
    row("another day", proven(paid_on="2026-11-10"), RECHECK.open),
    row("another day, not tagged for good", proven(paid_on="2026-11-10", method="cash"), RECHECK.open),
    row("all right", proven(), RECHECK.never),
    row("the right partner claimed", proven(claimed_partner_id="p2").proof("13:00"), RECHECK.done),
    row("only illegible now", proven(claimed_partner_id="p2").proof("13:00", legible=False), RECHECK.done),
    *(
        row("the ticket closed", proven(**wrong).ticket_closed("13:00", "o1"), RECHECK.withdrawn)
        for wrong in ({"claimed_partner_id": "p2"}, {"payee_phone": "+919876543211"}, {"paid_on": "2026-11-10"})
    ),
    row("illegible", proven(legible=False), IMAGE.citing("o1 proof")),
    row("no payee", proven(payee_name=None, payee_phone=None), IMAGE.open),
    row("a clearer one", proven(legible=False).proof("13:00"), IMAGE.done),
    *(
        row("the ticket closed", proven(**unclear).ticket_closed("13:00", "o1"), IMAGE.withdrawn)
        for unclear in ({"legible": False}, {"payee_name": None, "payee_phone": None})
    ),
    row("no link", proven(proof_url=""), LINK.citing("o1 proof")),
    row("a ticket id", proven(proof_url="TCK-1"), LINK.open),
    row("no image", proven(proof_url="https://media.example/page"), LINK.open),
    row("a better one", proven(proof_url="").proof("13:00"), LINK.done),
    *(
        row("the ticket closed", proven(proof_url=link).ticket_closed("13:00", "o1"), LINK.withdrawn)
        for link in ("", "TCK-1", "https://media.example/page")
    ),
    row("refused", proven(method="cash").refund_asked(), SORRY.citing("o1 proof identified refund")),
    row("refused, all closed", proven(legible=False).refund_asked().ticket_closed("14:00", "o1"), SORRY.open),
    row("awaiting a proof", proven(legible=False).refund_asked(), SORRY.never),
    row("eligible", proven().refund_asked(), SORRY.never),
    row("not asked for", proven(method="cash"), SORRY.never),
    row("eligible after all", proven(method="cash").refund_asked().proof("14:00"), SORRY.withdrawn),
]


@pytest.mark.parametrize("row", TABLE)
def test_offline_actions(row: Row) -> None:
    assert row.found() == row.stated()
