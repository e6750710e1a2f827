"""Tagging of the out-of-scope side: every row of its table, and which comes first."""

from __future__ import annotations

import pytest

from tests.rules.table import Decision, Row, decision, job, no_decision, off_site, on_site, row, unseen
from tests.scenario import Scenario

UNTAGGED = no_decision("tagging")


def tagged(evidence: str, clauses: str = "OOS-5") -> Decision:
    return decision("tagging", "partner_led_cancellation/out_of_scope", "final", clauses, evidence, tag_code="4.2")


def pending(evidence: str, clauses: str = "OOS-5", partner: str | None = "p1") -> Decision:
    return decision(
        "tagging",
        "partner_led_cancellation/out_of_scope",
        "provisional",
        clauses,
        evidence,
        partner=partner,
        tag_code="4.2",
    )


def cant_deliver(evidence: str) -> Decision:
    return decision("tagging", "partner_led_cancellation/cant_deliver", "final", "OOS-14 OOS-17", evidence)


def not_genuine(evidence: str) -> Decision:
    return decision("tagging", "none", "final", "OOS-5", evidence, reasons="not_genuine")


TABLE = [
    # when the table applies
    row("nothing but an assignment", job(), UNTAGGED),
    row("no ticket, the customer cancelled", job().customer_cancelled(reason="out_of_scope"), UNTAGGED),
    row("no ticket, the platform cancelled", job().cancelled("12:00", "platform", reason="cant_deliver"), UNTAGGED),
    row("no ticket, another reason of the partner", job().partner_cancelled(reason="other"), UNTAGGED),
    row("a rating ticket only", job().rating_ticket(), UNTAGGED),
    row("no ticket, out of scope", job().partner_cancelled(reason="out_of_scope"), cant_deliver("cancelled")),
    row(
        "no ticket, pro cannot deliver", job().partner_cancelled(reason="pro_cannot_deliver"), cant_deliver("cancelled")
    ),
    row("no ticket, can't deliver", job().partner_cancelled(reason="cant_deliver"), cant_deliver("cancelled")),
    row("an out-of-scope ticket", on_site(), pending("t1")),
    row("nobody assigned", Scenario().booked().ticket(), pending("t1", partner=None)),
    # genuine
    row("genuine", on_site().genuine(), tagged("t1 validated image")),
    row("genuine, unseen", unseen().genuine(), tagged("t1 validated image")),
    row("genuine, off site", off_site().genuine(), tagged("t1 validated image")),
    row(
        "genuine comes before the partner cancelled",
        on_site().genuine().partner_cancelled(),
        tagged("t1 validated image"),
    ),
    row(
        "genuine, the customer opened the ticket",
        on_site(by="customer").genuine(),
        tagged("t1 validated image"),
    ),
    row(
        "genuine, commercial appliance: OOS-6 is cited, and the booking in place of images",
        on_site(appliance_use="commercial").image().validated(),
        tagged("t1 validated booked", "OOS-5 OOS-6"),
    ),
    row(
        "genuine, no image needed: none cited",
        on_site(reason="payment_refused").genuine(),
        tagged("t1 validated"),
    ),
    row(
        "genuine, commercial appliance, but the claim's reason makes images needless: the booking is not cited",
        on_site(appliance_use="commercial", reason="otp_refused").validated(),
        tagged("t1 validated", "OOS-5 OOS-6"),
    ),
    row(
        "genuine, more images than needed",
        on_site().image().image("10:06", url="u2").validated(),
        tagged("t1 validated image"),
    ),
    # pending
    row("pending, not validated", on_site().image(), pending("t1")),
    row("pending, validated without an image", on_site().validated(), pending("t1 validated")),
    row("pending, commercial appliance", on_site(appliance_use="commercial"), pending("t1", "OOS-5 OOS-6")),
    row("pending comes before the partner cancelled", on_site().partner_cancelled(), pending("t1")),
    # the partner cancelled
    row(
        "not genuine, the partner cancelled",
        on_site().not_genuine().partner_cancelled(),
        cant_deliver("t1 validated cancelled"),
    ),
    row(
        "not genuine, the partner cancelled for any reason",
        on_site().not_genuine().partner_cancelled(reason="other"),
        cant_deliver("t1 validated cancelled"),
    ),
    row("the partner cancelled, not marked", job().partner_cancelled(marked="none"), cant_deliver("cancelled")),
    row(
        "the partner's earliest cancellation is cited, whatever its reason",
        job().customer_cancelled("10:00").partner_cancelled("11:00", reason="other").partner_cancelled(),
        cant_deliver("cancelled2"),
    ),
    # not genuine
    row("not genuine", on_site().not_genuine(), not_genuine("t1 validated")),
    row(
        "not genuine, the customer cancelled, marked",
        on_site().image().not_genuine().customer_cancelled(marked="partner"),
        not_genuine("t1 validated"),
    ),
    row(
        "not genuine, commercial appliance: OOS-6 is not cited",
        on_site(appliance_use="commercial").not_genuine(),
        not_genuine("t1 validated"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_tagging(row: Row) -> None:
    assert row.found() == row.stated()
