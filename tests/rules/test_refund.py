"""Refund of an offline service: every row of its table, the proven amount, and which request counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import OFFLINE, Decision, Row, decision, no_decision, row
from tests.rules.test_offline_tagging import complaint, proven
from tests.scenario import Scenario

BASE = "o1 proof identified"
UNDECIDED = no_decision("refund", subject_of=OFFLINE)


def eligible(extent: str, evidence: str, amount: str) -> Decision:
    money = {"amount": amount, "currency": "INR"}
    return decision(
        "refund", f"eligible_{extent}", "final", "DIS-10", evidence, subject_of=OFFLINE, proven_amount=money
    )


def refused(reasons: str, evidence: str) -> Decision:
    return without_money("refused", "final", reasons, evidence, apology=True)


def awaiting(reasons: str, evidence: str) -> Decision:
    return without_money("awaiting_proof", "provisional", reasons, evidence)


def without_money(outcome: str, status: str, reasons: str, evidence: str, **fields: Any) -> Decision:
    partner = "p1" if "identified" in evidence else None
    return decision(
        "refund",
        outcome,
        status,
        "DIS-10",
        evidence,
        reasons=reasons,
        partner=partner,
        subject_of=OFFLINE,
        **fields,
    )


TABLE = [
    # when it is decided at all
    row("not asked for", proven(), UNDECIDED),
    row("no qualifying ticket", Scenario().booked().ticket("10:00", "o1", refund_requested=True), UNDECIDED),
    row(
        "asked for on a ticket that does not qualify",
        proven().ticket("10:30", "t1", kind="poor_service", refund_requested=True).refund_asked("13:00", "t1"),
        UNDECIDED,
    ),
    # full
    row(
        "no booking",
        complaint("o1").identified().proof().refund_asked(),
        eligible("full", f"{BASE} refund", "1500.00"),
    ),
    row(
        "cancelled then served",
        proven().customer_cancelled("09:00").refund_asked(),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    row(
        "full: line items are not deducted",
        proven().customer_cancelled("09:00").line_item("09:30", "100").refund_asked(),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    # partial
    row("partial", proven().refund_asked(), eligible("partial", f"{BASE} booked refund", "1500.00")),
    row(
        "partial less line items",
        proven().line_item("09:30", "100").line_item("09:40", "49.50", "l2").refund_asked(),
        eligible("partial", f"{BASE} booked refund item item2", "1350.50"),
    ),
    row(
        "the latest of each line counts",
        proven().line_item("09:30", "100").line_item("09:40", "1", "l1").refund_asked(),
        eligible("partial", f"{BASE} booked refund item2", "1499.00"),
    ),
    row(
        "never below zero",
        proven().line_item("09:30", "1500.01").refund_asked(),
        eligible("partial", f"{BASE} booked refund item", "0.00"),
    ),
    row(
        "a line item later than the request",
        proven().refund_asked().line_item("14:00", "500"),
        eligible("partial", f"{BASE} booked refund item", "1000.00"),
    ),
    row(
        "the booking's own amount is not deducted",
        proven().booked("08:30", amount={"amount": "1000", "currency": "INR"}).refund_asked(),
        eligible("partial", f"{BASE} booked2 refund", "1500.00"),
    ),
    row(
        "a line item in another currency",
        proven().line_item("09:30", "10", currency="USD").refund_asked(),
        awaiting("currency_mismatch", f"{BASE} booked refund item"),
    ),
    row(
        "full: another currency does not matter",
        proven().customer_cancelled("09:00").line_item("09:30", "10", currency="USD").refund_asked(),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    # the request
    row(
        "asked for with the ticket",
        complaint(refund_requested=True).identified().proof(),
        eligible("partial", f"{BASE} booked", "1500.00"),
    ),
    row(
        "asked for with another qualifying ticket",
        proven().complaint("12:30", "o2", refund_requested=True),
        eligible("partial", f"{BASE} booked o2", "1500.00"),
    ),
    row(
        "the earliest request is cited",
        proven().refund_asked().refund_asked("12:40"),
        eligible("partial", f"{BASE} booked refund2", "1500.00"),
    ),
    row(
        "asked for before the ticket qualified",
        complaint(kind="poor_service", refund_requested=True).identified().proof(),
        eligible("partial", f"{BASE} booked", "1500.00"),
    ),
    # to the last decimal
    row("no decimals", proven(amount="7").refund_asked(), eligible("partial", f"{BASE} booked refund", "7.00")),
    row(
        "one decimal, full",
        complaint("o1").identified().proof(amount="7.5").refund_asked(),
        eligible("full", f"{BASE} refund", "7.50"),
    ),
    row(
        "four decimals", proven(amount="7.1250").refund_asked(), eligible("partial", f"{BASE} booked refund", "7.1250")
    ),
    row(
        "the most decimals of all amounts",
        proven(amount="7").line_item("09:30", "0.125").refund_asked(),
        eligible("partial", f"{BASE} booked refund item", "6.875"),
    ),
    # refused
    row("refused for cash", proven(method="cash").refund_asked(), refused("cash_payment", f"{BASE} refund")),
    row(
        "refused once all is closed",
        proven(legible=False).refund_asked().ticket_closed("14:00", "o1"),
        refused("proof_illegible", f"{BASE} refund done"),
    ),
    row(
        "refused without any proof once all is closed",
        complaint(refund_requested=True).ticket_closed("14:00", "o1"),
        refused("partner_not_identified proof_missing", "o1 done"),
    ),
    # awaiting
    row(
        "awaiting a proof",
        complaint().refund_asked(),
        awaiting("partner_not_identified proof_missing", "o1 refund"),
    ),
    row(
        "awaiting a better proof",
        proven(legible=False).refund_asked(),
        awaiting("proof_illegible", f"{BASE} refund"),
    ),
    row(
        "awaiting the booking in spite of cash",
        Scenario().complaint().identified().proof(method="cash").refund_asked(),
        awaiting("booking_missing cash_payment", f"{BASE} refund"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_refund(row: Row) -> None:
    assert row.found() == row.stated()
