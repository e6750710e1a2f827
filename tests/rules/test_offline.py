"""Offline service: which tickets qualify, the type, every check on both sides, and the tag."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.policy.model import Offline, Policy
from tests.rules.table import Row, dropped, row
from tests.scenario import Ruled, Scenario, ruled

KIND = "offline_service"
LINK = "https://media.example/proof/1.jpg"
TAG: dict[str, Any] = {
    "service_date": "2026-11-20",
    "proof_given": True,
    "proof_url": LINK,
    "reporting": "direct",
}


def complaint(kind: str = KIND, case_id: str = "job-1", **ticket: Any) -> Scenario:
    """A booking and a customer's ticket o1 at 10:00."""
    case = Scenario(case_id).booked() if case_id == "job-1" else Scenario(case_id)
    return case.ticket("10:00", "o1", kind=kind, by="customer", **ticket)


def shown(identified: dict[str, Any] | None = None, **proof: Any) -> Scenario:
    """A complaint, the partner identified at 11:00, a proof at 12:00 that passes unless told otherwise."""
    return complaint().identified("11:00", **(identified or {})).proof("12:00", **proof)


def tagged(kind: str, clauses: str, evidence: str, at: str = "12:00", **fields: Any) -> Ruled:
    return ruled(f"offline_service/{kind}", "final", clauses, evidence, at, **(TAG | fields))


def untagged(
    reasons: str,
    clauses: str,
    evidence: str = "o1 proof identified",
    at: str = "12:00",
    status: str = "provisional",
    reporting: str = "direct",
) -> Ruled:
    return ruled("offline_service/not_tagged", status, clauses, evidence, at, reasons, reporting=reporting)


PARTIAL = tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked")

TABLE = [
    # which tickets qualify, and how the case was reported
    row("no ticket", Scenario().booked(), None),
    row("poor service, nothing more", complaint("poor_service"), None),
    row("poor service, not suspected", complaint("poor_service", offline_suspected=False).identified("11:00"), None),
    row("a proof on an out-of-scope ticket", Scenario().booked().ticket("10:00", "o1").proof("12:00"), None),
    row(
        "poor service, suspected",
        complaint("poor_service", offline_suspected=True),
        untagged("proof_missing partner_not_identified", "DIS-1 DIS-3 DIS-4", "o1", "10:00", reporting="indirect"),
    ),
    row(
        "poor service with a proof",
        complaint("poor_service").identified("11:00").proof("12:00"),
        tagged("partial", "DIS-1 DIS-2 DIS-9", "o1 proof identified booked", reporting="indirect"),
    ),
    row(
        "the earliest qualifying ticket says how it was reported",
        complaint()
        .ticket("09:30", "o2", kind="poor_service", offline_suspected=True)
        .identified("11:00")
        .proof("12:00"),
        tagged("partial", "DIS-1 DIS-2 DIS-9", "o2 proof identified booked", reporting="indirect"),
    ),
    row(
        "an earlier ticket that does not qualify says nothing",
        complaint().ticket("09:30", "o2", kind="poor_service").identified("11:00").proof("12:00"),
        PARTIAL,
    ),
    row(
        "proof and identification on other qualifying tickets",
        complaint().ticket("10:30", "o2", kind=KIND).identified("11:00", ticket="o2").proof("12:00"),
        PARTIAL,
    ),
    row(
        "proof and identification on tickets that do not qualify",
        complaint().ticket("10:30", "t1").identified("11:00", ticket="t1").proof("12:00", ticket="t1"),
        untagged("proof_missing partner_not_identified", "DIS-3 DIS-4", "o1", "10:00"),
    ),
    row(
        "a proof waits for its ticket",
        complaint().identified("11:00").proof("12:00", ticket="o9"),
        untagged("proof_missing", "DIS-3", "o1 identified", "11:00"),
    ),
    # the type
    row("partial", shown(), PARTIAL),
    row(
        "no booking",
        complaint(case_id="o1").identified("11:00").proof("12:00"),
        tagged("no_booking", "DIS-2 DIS-9", "o1 proof identified"),
    ),
    row(
        "no booking before cancelled",
        dropped(complaint(case_id="o1").identified("11:00").proof("12:00"), "09:00"),
        tagged("no_booking", "DIS-2 DIS-9", "o1 proof identified"),
    ),
    row(
        "cancelled, then served",
        dropped(shown(), "09:00"),
        tagged("cancelled_then_served", "DIS-2 DIS-9", "o1 proof identified booked cancelled"),
    ),
    row(
        "cancelled twice, then served: the latest cancellation is cited",
        dropped(dropped(shown(), "13:00"), "09:00"),
        tagged("cancelled_then_served", "DIS-2 DIS-9", "o1 proof identified booked cancelled", "13:00"),
    ),
    row(
        "closed, then cancelled",
        dropped(shown().closed("09:00", "completed"), "09:30"),
        tagged("cancelled_then_served", "DIS-2 DIS-9", "o1 proof identified booked cancelled"),
    ),
    row("cancelled, then closed", dropped(shown(), "09:00").closed("09:30", "completed"), PARTIAL),
    row(
        "closed between two cancellations",
        dropped(dropped(shown(), "09:00").closed("09:30"), "09:40"),
        tagged("cancelled_then_served", "DIS-2 DIS-9", "o1 proof identified booked cancelled2"),
    ),
    # what is missing
    row("nothing yet", complaint(), untagged("proof_missing partner_not_identified", "DIS-3 DIS-4", "o1", "10:00")),
    row("no proof", complaint().identified("11:00"), untagged("proof_missing", "DIS-3", "o1 identified", "11:00")),
    row("nobody identified", complaint().proof("12:00"), untagged("partner_not_identified", "DIS-4", "o1 proof")),
    row(
        "no booking known yet",
        Scenario().ticket("10:00", "o1", kind=KIND).identified("11:00").proof("12:00"),
        untagged("booking_missing", "DIS-2"),
    ),
    row(
        "a booking that comes later",
        Scenario().ticket("10:00", "o1", kind=KIND).identified("11:00").proof("12:00").booked("13:00"),
        tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked", "13:00"),
    ),
    # the method
    row("cash", shown(method="cash"), untagged("cash_payment", "DIS-3", status="final")),
    *(row(method, shown(method=method), PARTIAL) for method in ("upi", "bank_transfer", "card", "wallet", "other")),
    row("illegible", shown(legible=False), untagged("proof_illegible", "DIS-5 DIS-8")),
    row(
        "no payee",
        shown(payee_name=None, payee_phone=None),
        untagged("payee_not_visible", "DIS-5"),
    ),
    row("another payee", shown(payee_phone="+919876543211"), untagged("payee_mismatch", "DIS-4 DIS-7")),
    row("blank payee", shown(payee_name="  ", payee_phone=""), untagged("payee_not_visible", "DIS-5")),
    row("nothing but a title", shown(payee_name="Mr.", payee_phone=None), untagged("payee_not_visible", "DIS-5")),
    row("masked phone", shown(payee_name=None, payee_phone="98765XxXxX"), untagged("payee_not_visible", "DIS-5")),
    row("another partner claimed", shown(claimed_partner_id="p2"), untagged("partner_mismatch", "DIS-4 DIS-8")),
    row(
        "another partner claimed, nobody identified: not compared",
        complaint().proof("12:00", claimed_partner_id="p2", payee_phone="+911"),
        untagged("partner_not_identified", "DIS-4", "o1 proof"),
    ),
    row(
        "paid a day before", shown(paid_on="2026-11-19"), tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked")
    ),
    row(
        "paid a day after", shown(paid_on="2026-11-21"), tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked")
    ),
    row("paid two days before", shown(paid_on="2026-11-18"), untagged("date_mismatch", "DIS-4")),
    row("paid two days after", shown(paid_on="2026-11-22"), untagged("date_mismatch", "DIS-4")),
    row(
        "days are days of the calendar",
        shown(paid_on="2026-03-01", service_date="2026-02-28"),
        tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked", service_date="2026-02-28"),
    ),
    row(
        "everything at once, one reason for the link",
        shown(
            method="cash",
            proof_url=" ",
            legible=False,
            payee_name=None,
            payee_phone=None,
            claimed_partner_id="p2",
            paid_on="2026-11-10",
        ),
        untagged(
            "cash_payment date_mismatch partner_mismatch payee_not_visible proof_illegible proof_link_missing",
            "DIS-3 DIS-4 DIS-5 DIS-6 DIS-8",
            status="final",
        ),
    ),
    # which proof, which identification
    row(
        "the latest proof that passes counts",
        shown().proof("13:00", legible=False),
        PARTIAL,
    ),
    row(
        "of two that pass the latest counts",
        shown().proof("13:00", proof_url="https://media.example/proof/2.jpg"),
        tagged(
            "partial",
            "DIS-2 DIS-9",
            "o1 proof2 identified booked",
            "13:00",
            proof_url="https://media.example/proof/2.jpg",
        ),
    ),
    row(
        "of two that fail the latest counts",
        shown(method="cash").proof("13:00", legible=False),
        untagged("proof_illegible", "DIS-5 DIS-8", "o1 proof2 identified", "13:00"),
    ),
    row(
        "the latest identification counts",
        shown().identified("13:00", "p2"),
        untagged("partner_mismatch", "DIS-4 DIS-8", "o1 proof identified2", "13:00"),
    ),
    row(
        "the earlier identification does not",
        shown(identified={"partner": "p2"}).identified("13:00"),
        tagged("partial", "DIS-2 DIS-9", "o1 proof identified2 booked", "13:00"),
    ),
    # when not tagged is final
    row(
        "ticket closed: final by the closing",
        shown(legible=False).ticket_closed("13:00", "o1").ticket_closed("14:00", "o1"),
        untagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done", "13:00", "final"),
    ),
    row(
        "one of two tickets open",
        shown(legible=False).ticket("12:30", "o2", kind=KIND).ticket_closed("13:00", "o1"),
        untagged("proof_illegible", "DIS-5 DIS-8"),
    ),
    row(
        "both tickets closed",
        shown(legible=False).ticket("12:30", "o2", kind=KIND).ticket_closed("13:00", "o1").ticket_closed("13:30", "o2"),
        untagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done done2", "13:30", "final"),
    ),
    row(
        "a ticket that does not qualify may stay open",
        shown(legible=False).ticket("12:30", "t1").ticket_closed("13:00", "o1"),
        untagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done", "13:00", "final"),
    ),
    row(
        "cash makes it final without the closing",
        shown(method="cash").ticket_closed("13:00", "o1"),
        untagged("cash_payment", "DIS-3", status="final"),
    ),
    row(
        "no booking known: not final in spite of cash",
        Scenario().ticket("10:00", "o1", kind=KIND).identified("11:00").proof("12:00", method="cash"),
        untagged("booking_missing cash_payment", "DIS-2 DIS-3"),
    ),
    row(
        "no booking known: not final in spite of the closing",
        Scenario().ticket("10:00", "o1", kind=KIND).ticket_closed("11:00", "o1"),
        untagged("booking_missing partner_not_identified proof_missing", "DIS-2 DIS-3 DIS-4", "o1", "10:00"),
    ),
    row("closed and everything passes", shown().ticket_closed("13:00", "o1"), PARTIAL),
]


@pytest.mark.parametrize("row", TABLE)
def test_tagging_follows_the_table(row: Row) -> None:
    assert row.outcome().ruling("tagging", None, KIND) == row.expected


LINKS = [
    ("", "missing"),
    (" \t", "missing"),
    ("o1", "is_ticket"),
    (" O1 ", "is_ticket"),
    ("Side-Ticket", "is_ticket"),
    ("side-ticket", "is_ticket"),
    ("12345", "is_ticket"),
    ("#12345", "is_ticket"),
    ("TCK-12345", "is_ticket"),
    ("#TCK 12345", "is_ticket"),
    ("abcdefghijkl_1", "is_ticket"),
    ("abcdefghijklm_1", "invalid"),
    ("1" * 20, "is_ticket"),
    ("1" * 21, "invalid"),
    ("proof", "invalid"),
    ("/images/1.jpg", "invalid"),
    ("media.example/1.jpg", "invalid"),
    ("ftp://media.example/1.jpg", "invalid"),
    ("https:///images/1.jpg", "invalid"),
    ("https:images/1.jpg", "invalid"),
    ("https://[media/images/1.jpg", "invalid"),
    ("https://media.example", "invalid"),
    ("https://media.example/page", "invalid"),
    ("https://media.example/page?file=1.jpg", "invalid"),
    ("https://media.example/page#1.jpg", "invalid"),
    ("https://media.example/1.jpg/page", "invalid"),
    ("https://media.example/1.exe", "invalid"),
    ("https://media.example/images", "invalid"),
    ("https://media.example/images/", "invalid"),
    ("https://media.example/myimages/1", "invalid"),
    ("http://media.example/1.jpg", None),
    (" https://media.example/1.jpg ", None),
    ("HTTPS://media.example/1.JPG", None),
    ("https://media.example/1.jpg?size=2#top", None),
    ("https://media.example:8443/1.webp", None),
    *((f"https://media.example/1{ending}", None) for ending in (
        ".jpg", ".jpeg", ".png", ".webp", ".gif", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".pdf",
    )),
    *((f"https://media.example/a/{folder}/1", None) for folder in (
        "image", "images", "img", "media", "photo", "photos", "attachment", "attachments", "upload", "uploads",
        "file", "files", "proof", "proofs", "screenshot", "screenshots", "Proofs", "IMG",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("link", "fault"), LINKS)
def test_the_link_is_the_image_itself(link: str, fault: str | None) -> None:
    ruling = shown(proof_url=link).ticket("09:00", "Side-Ticket").verdict().ruling("tagging", None, KIND)
    if fault is None:
        assert ruling == tagged("partial", "DIS-2 DIS-9", "o1 proof identified booked", proof_url=link)
    else:
        assert ruling == untagged(f"proof_link_{fault}", "DIS-6")


PHONE = "+919876543210"
OTHER_PHONE = "+919876543211"
PAYEES = [
    # name and phone on the proof, name and phone of the partner identified, does it match
    ("Asha Rao", PHONE, "Ravi Kumar", PHONE, True),  # a phone that matches settles it
    (None, "98765 43210", None, PHONE, True),
    (None, "09876543210", None, "+91-98765-43210", True),
    (None, "+1 202 555 0100", None, "+12025550100", True),
    ("Ravi Kumar", OTHER_PHONE, "Ravi Kumar", PHONE, False),  # phones come before names
    ("Ravi Kumar", "no phone", "Ravi Kumar", PHONE, False),  # what cannot be parsed differs
    ("Ravi Kumar", PHONE, "Ravi Kumar", "x", False),
    ("Ravi Kumar", "x", "Ravi Kumar", "x", False),
    ("Ravi Kumar", None, "Ravi Kumar", PHONE, True),  # one phone alone is not compared
    ("Ravi Kumar", PHONE, "Ravi Kumar", None, True),
    ("Ravi Kumar", PHONE, "Ravi Kumar", "  ", True),
    ("Asha Rao", PHONE, "Ravi Kumar", None, False),
    ("Ravi Kumar", None, None, PHONE, False),  # nothing can be compared
    (None, PHONE, "Ravi Kumar", None, False),
    ("Ravi Kumar", None, None, None, False),
    ("Ravi Kumar", None, " ", "", False),
    ("RAMESH KUMAR", None, "Kumar, Ramesh", None, True),
    ("Ravi", None, "Ravi Kumar Sharma", None, False),
    ("Shri Ravi Sharma", None, "Ravi Kumar Sharma", None, True),
    *((f"{title} Ravi", None, "ravi", None, True) for title in (
        "Mr", "MRS.", "Ms", "dr", "Shri", "Sri", "Smt.", "Kumari",
    )),
    ("Ｒａｖｉ　Ｋｕｍａｒ", None, "ravi kumar", None, True),  # noqa: RUF001 - full width, as some keyboards write
    ("Straße", None, "STRASSE", None, True),
    ("Ravi-Kumar", None, "ravi  kumar", None, True),
    ("Asha Rao", None, "Ravi Kumar", None, False),
    ("Asha Rao", "98765XxXxX", "Ravi Kumar", "+919876599999", False),
    ("Ravi Kumar", "98765XxXxX", "Ravi Kumar", "+919876599999", True),
    ("Asha Rao", "9876543210 (Ravi)", "Ravi Kumar", "+919876543210", True),
    ("Ravi Kumar", "9876543210 (Ravi)", "Ravi Kumar", "+919876543211", False),
    ("Ravi Kumar", None, "Mr.", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "phone", "partner_name", "partner_phone", "matches"), PAYEES)
def test_the_money_went_to_that_partner(
    name: str | None, phone: str | None, partner_name: str | None, partner_phone: str | None, matches: bool
) -> None:
    case = shown({"name": partner_name, "phone": partner_phone}, payee_name=name, payee_phone=phone)
    expected = PARTIAL if matches else untagged("payee_mismatch", "DIS-4 DIS-7")
    assert case.verdict().ruling("tagging", None, KIND) == expected


LETTERS = "a" * 17
"""With three letters of twenty different, two single words score exactly 0.85."""


@pytest.mark.parametrize(
    ("similarity", "partner_name", "matches"),
    [(0.85, LETTERS + "xyz", True), (0.851, LETTERS + "xyz", False), (0.85, LETTERS[1:] + "wxyz", False)],
)
def test_the_name_score_has_a_bound_that_passes(similarity: float, partner_name: str, matches: bool) -> None:
    case = shown({"name": partner_name, "phone": None}, payee_name=LETTERS + "bcd", payee_phone=None)
    policy = Policy(hash="h", offline=Offline(name_similarity=similarity))
    expected = PARTIAL if matches else untagged("payee_mismatch", "DIS-4 DIS-7")
    assert case.verdict(policy=policy).ruling("tagging", None, KIND) == expected


def test_the_partner_is_the_one_identified_last() -> None:
    body = shown({"partner": "p2"}).identified("13:00", "p3").verdict().body("tagging", None, KIND)
    assert body is not None
    assert body.partner_id == "p3"


def test_nobody_identified_leaves_the_partner_null() -> None:
    body = complaint().proof("12:00").verdict().body("tagging", None, KIND)
    assert body is not None
    assert body.partner_id is None


def test_both_sides_of_a_case_are_tagged() -> None:
    outcome = shown().assigned("09:00").ticket("10:00", "t1").verdict()
    assert outcome.ruling("tagging", None, KIND) == PARTIAL
    assert outcome.ruling("tagging") is not None
