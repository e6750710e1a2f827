"""Refunds after an offline service: full, partial, refused, awaiting, and the proven amount to the last decimal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import Row, dropped, row
from tests.rules.test_offline import KIND, complaint, shown
from tests.scenario import Ruled, Scenario, ruled

BASE = "o1 proof identified"


def money(amount: str, currency: str = "INR") -> dict[str, Any]:
    return {"proven_amount": {"amount": amount, "currency": currency}}


def eligible(kind: str, evidence: str, amount: str, at: str = "13:00") -> Ruled:
    return ruled(f"eligible_{kind}", "final", "DIS-10", evidence, at, **money(amount))


def awaiting(reasons: str, evidence: str, at: str = "13:00") -> Ruled:
    return ruled("awaiting_proof", "provisional", "DIS-10", evidence, at, reasons)


def refused(reasons: str, evidence: str, at: str = "13:00") -> Ruled:
    return ruled("refused", "final", "DIS-10", evidence, at, reasons, apology=True)


TABLE = [
    # when it is decided at all
    row("not asked for", shown(), None),
    row("no qualifying ticket", Scenario().booked().ticket("10:00", "o1", refund_requested=True), None),
    row(
        "asked for on a ticket that does not qualify",
        shown().ticket("10:30", "t1", kind="poor_service", refund_requested=True).refund_asked("13:00", "t1"),
        None,
    ),
    # full
    row(
        "no booking",
        complaint(case_id="o1").identified("11:00").proof("12:00").refund_asked("13:00"),
        eligible("full", f"{BASE} refund", "1500.00"),
    ),
    row(
        "cancelled, then served",
        dropped(shown(), "09:00").refund_asked("13:00"),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    row(
        "full: line items are not deducted",
        dropped(shown(), "09:00").line_item("09:30", "100").refund_asked("13:00"),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    # partial
    row("partial", shown().refund_asked("13:00"), eligible("partial", f"{BASE} booked refund", "1500.00")),
    row(
        "partial less line items",
        shown().line_item("09:30", "100").line_item("09:40", "49.50", "l2").refund_asked("13:00"),
        eligible("partial", f"{BASE} booked refund item item2", "1350.50"),
    ),
    row(
        "the latest of each line counts",
        shown().line_item("09:30", "100").line_item("09:40", "1", "l1").refund_asked("13:00"),
        eligible("partial", f"{BASE} booked refund item2", "1499.00"),
    ),
    row(
        "never below zero",
        shown().line_item("09:30", "1500.01").refund_asked("13:00"),
        eligible("partial", f"{BASE} booked refund item", "0.00"),
    ),
    row(
        "a line item later than the request",
        shown().refund_asked("13:00").line_item("14:00", "500"),
        eligible("partial", f"{BASE} booked refund item", "1000.00", "14:00"),
    ),
    row(
        "the booking's own amount is not deducted",
        shown().booked("08:30", amount={"amount": "1000", "currency": "INR"}).refund_asked("13:00"),
        eligible("partial", f"{BASE} booked2 refund", "1500.00"),
    ),
    row(
        "a line item in another currency",
        shown().line_item("09:30", "10", currency="USD").refund_asked("13:00"),
        awaiting("currency_mismatch", f"{BASE} booked refund item"),
    ),
    row(
        "full: another currency does not matter",
        dropped(shown(), "09:00").line_item("09:30", "10", currency="USD").refund_asked("13:00"),
        eligible("full", f"{BASE} booked cancelled refund", "1500.00"),
    ),
    # the request
    row(
        "asked for with the ticket",
        complaint(refund_requested=True).identified("11:00").proof("12:00"),
        eligible("partial", f"{BASE} booked", "1500.00", "12:00"),
    ),
    row(
        "asked for with another qualifying ticket",
        shown().ticket("12:30", "o2", kind=KIND, refund_requested=True),
        eligible("partial", f"{BASE} booked o2", "1500.00", "12:30"),
    ),
    row(
        "the earliest request is cited",
        shown().refund_asked("13:00").refund_asked("12:40"),
        eligible("partial", f"{BASE} booked refund2", "1500.00", "12:40"),
    ),
    # refused
    row("refused for cash", shown(method="cash").refund_asked("13:00"), refused("cash_payment", f"{BASE} refund")),
    row(
        "refused once all is closed",
        shown(legible=False).refund_asked("13:00").ticket_closed("14:00", "o1"),
        refused("proof_illegible", f"{BASE} refund done", "14:00"),
    ),
    row(
        "refused without any proof once all is closed",
        complaint(refund_requested=True).ticket_closed("14:00", "o1"),
        refused("partner_not_identified proof_missing", "o1 done", "14:00"),
    ),
    # awaiting
    row(
        "awaiting a proof",
        complaint().refund_asked("13:00"),
        awaiting("partner_not_identified proof_missing", "o1 refund"),
    ),
    row(
        "awaiting a better proof",
        shown(legible=False).refund_asked("13:00"),
        awaiting("proof_illegible", f"{BASE} refund"),
    ),
    row(
        "awaiting the booking in spite of cash",
        Scenario()
        .ticket("10:00", "o1", kind=KIND)
        .identified("11:00")
        .proof("12:00", method="cash")
        .refund_asked("13:00"),
        awaiting("booking_missing cash_payment", f"{BASE} refund"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_refund_follows_the_table(row: Row) -> None:
    assert row.outcome().ruling("refund", None, KIND) == row.expected


AMOUNTS = [
    ("1500", [], "1500.00"),
    ("1500.5", [], "1500.50"),
    ("1500.1250", [], "1500.1250"),
    ("1500", ["0.5"], "1499.50"),
    ("1500.00", ["0.125"], "1499.875"),
    ("0.30", ["0.1", "0.2"], "0.00"),
    ("10", ["10.0001"], "0.0000"),
    ("999999999999.9999", ["0.0001"], "999999999999.9998"),
    ("100", ["40", "60"], "0.00"),
]


@pytest.mark.parametrize(("amount", "items", "proven"), AMOUNTS)
def test_amounts_keep_the_most_decimals_of_those_they_were_made_from(
    amount: str, items: list[str], proven: str
) -> None:
    case = shown(amount=amount).refund_asked("13:00")
    for number, item in enumerate(items):
        case.line_item("09:30", item, f"l{number}")
    ruling = case.verdict().ruling("refund", None, KIND)
    assert ruling is not None
    assert ruling.fields == money(proven)


@pytest.mark.parametrize(("amount", "proven"), [("7", "7.00"), ("7.5", "7.50"), ("7.125", "7.125")])
def test_a_full_refund_has_two_decimals_at_least(amount: str, proven: str) -> None:
    case = complaint(case_id="o1").identified("11:00").proof("12:00", amount=amount).refund_asked("13:00")
    assert case.verdict().ruling("refund", None, KIND) == eligible("full", f"{BASE} refund", proven)


def test_the_partner_of_a_refund_is_the_one_identified() -> None:
    body = shown().refund_asked("13:00").verdict().body("refund", None, KIND)
    assert body is not None
    assert body.partner_id == "p1"
