"""The penalty (PAF): rows P0 to P10 of its table, both sides of the claim window, and which row comes first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import Decision, Row, decision, job, no_decision, off_site, offices, on_site, row, unseen
from tests.scenario import SOURCE, Scenario

UNDECIDED = no_decision("paf")
PRESENCE = "t1 report booked assigned"
"""What shows presence at the creation of t1."""
GENUINE = "t1 validated image"


def paf(outcome: str, status: str, clauses: str, evidence: str, **fields: Any) -> Decision:
    """State a decision; `marked` and `in_mg` are the two fields that every one has."""
    marked, in_mg = fields.pop("marked"), fields.pop("in_mg")
    return decision("paf", outcome, status, clauses, evidence, cancellation_marked=marked, counts_in_mg=in_mg, **fields)


def review(reason: str, clause: str, evidence: str, *, marked: bool) -> Decision:
    return paf("under_review", "provisional", clause, evidence, reasons=reason, marked=marked, in_mg=None)


def upheld(reason: str, clauses: str, evidence: str, *, status: str = "final", at: str | None = None) -> Decision:
    return paf("upheld", status, clauses, evidence, reasons=reason, marked=True, in_mg=True, at=at)


def reversal(clause: str, evidence: str) -> Decision:
    return paf(
        "reversal_scheduled", "final", clause, evidence, marked=True, in_mg=False, resolve_at="training_or_review"
    )


def waived(evidence: str) -> Decision:
    return paf("waived", "final", "OOS-20", evidence, marked=False, in_mg=False)


def not_applicable(evidence: str) -> Decision:
    return paf("not_applicable", "final", "OOS-16", evidence, marked=False, in_mg=None)


NO_BOOKING = review("booking_missing", "OOS-18", "cancelled", marked=True)
NOT_ALLOWED = upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled")
NOT_GENUINE = upheld("not_genuine", "OOS-18", "t1 validated cancelled")
CONFLICT = review("presence_conflict", "OOS-7", f"{GENUINE} cancelled {PRESENCE}", marked=False)
NOT_ON_SITE = upheld("not_on_site", "OOS-14 OOS-19", f"cancelled {PRESENCE}")
NO_CLAIM_YET = upheld("no_claim", "OOS-18", "cancelled", status="provisional")
NO_CLAIM = upheld("no_claim", "OOS-18", "cancelled", at="12:00 +72h")
PENDING = review("awaiting_validation", "OOS-18", "t1 cancelled", marked=True)
PENDING_UNMARKED = review("awaiting_validation", "OOS-18", "t1 cancelled", marked=False)
REVERSAL = reversal("OOS-18", f"{GENUINE} cancelled {PRESENCE}")
COMMERCIAL_REVERSAL = reversal("OOS-12", f"{GENUINE} cancelled booked")
WAIVED = waived(f"{GENUINE} cancelled {PRESENCE}")


def unbooked() -> Scenario:
    return Scenario().assigned().ticket()


TABLE = [
    # when the table applies
    row("no cancellation", on_site().genuine(), UNDECIDED),
    row("cancelled by the customer, no ticket", job().customer_cancelled(), UNDECIDED),
    row("cancelled by the partner for another reason, no ticket", job().partner_cancelled(reason="other"), UNDECIDED),
    # P0
    row("P0 marked", unbooked().customer_cancelled(marked="partner"), NO_BOOKING),
    row(
        "P0 not marked", unbooked().customer_cancelled(), review("booking_missing", "OOS-18", "cancelled", marked=False)
    ),
    row("P0 before P2", unbooked().not_genuine().customer_cancelled(marked="partner"), NO_BOOKING),
    row("P0 before P5", Scenario().assigned().partner_cancelled(), NO_BOOKING),
    row(
        "P0 cites the earliest cancellation of any kind",
        unbooked().customer_cancelled("11:00").partner_cancelled(),
        NO_BOOKING,
    ),
    # P1
    row("P1 no ticket, marked", job(group="rwm").partner_cancelled(), NOT_ALLOWED),
    row(
        "P1 genuine, not marked: says what ought to be",
        on_site(group="rwm").genuine().partner_cancelled(marked="none"),
        NOT_ALLOWED,
    ),
    row(
        "P1 before P2, in Mumbai",
        on_site(group="rwm", city="Mumbai").not_genuine().partner_cancelled(),
        NOT_ALLOWED,
    ),
    row("P1 before P4", off_site(group="rwm").partner_cancelled(), NOT_ALLOWED),
    row(
        "P1 cites the partner's cancellation and latest assignment",
        job().assigned("09:30", group="rwm").customer_cancelled("11:00").partner_cancelled(),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned2 cancelled2"),
    ),
    row(
        "P1 by an assignment after the cancellation",
        job().partner_cancelled().assigned("13:00", group="rwm"),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned2 cancelled"),
    ),
    row(
        "no P1: the latest assignment has no group",
        job(group="rwm").assigned("09:30").partner_cancelled(),
        NO_CLAIM_YET,
    ),
    row(
        "no P1: the customer cancelled",
        on_site(group="rwm").genuine().customer_cancelled(marked="partner"),
        REVERSAL,
    ),
    row("no P1: another group", job(group="gold").partner_cancelled(), NO_CLAIM_YET),
    row("no P1: another city", on_site(group="rwm", city="Pune").genuine().partner_cancelled(), REVERSAL),
    row(
        "P1 before the commercial route",
        job(group="rwm", premises="commercial", category="ro").partner_cancelled(),
        NOT_ALLOWED,
    ),
    # P2
    row("P2", on_site().not_genuine().customer_cancelled(marked="partner"), NOT_GENUINE),
    row("P2 unseen", unseen().not_genuine().customer_cancelled(marked="partner"), NOT_GENUINE),
    row("P2 before P4", off_site().not_genuine().partner_cancelled(), NOT_GENUINE),
    row("P2 on the commercial route", on_site(**offices()).not_genuine().partner_cancelled(), NOT_GENUINE),
    row(
        "P2 cites the earliest marked cancellation",
        on_site()
        .not_genuine()
        .customer_cancelled("11:10")
        .customer_cancelled("11:20", marked="partner")
        .customer_cancelled("11:30", marked="partner"),
        upheld("not_genuine", "OOS-18", "t1 validated cancelled2"),
    ),
    # P3
    row(
        "P3 marked",
        off_site().genuine().partner_cancelled(),
        review("presence_conflict", "OOS-7", f"{GENUINE} cancelled {PRESENCE}", marked=True),
    ),
    row("P3 not marked, before P9", off_site().genuine().customer_cancelled(), CONFLICT),
    row("P3 on route manual", off_site(city="Jaipur").genuine().customer_cancelled(), CONFLICT),
    row(
        "no P3 on the commercial route, marked",
        off_site(**offices()).genuine().partner_cancelled(),
        COMMERCIAL_REVERSAL,
    ),
    row(
        "no P3 on the commercial route, not marked",
        off_site(**offices()).genuine().customer_cancelled(),
        waived(f"{GENUINE} cancelled booked"),
    ),
    # P4
    row("P4 pending, before P6", off_site().partner_cancelled(), NOT_ON_SITE),
    row(
        "P4 no ticket, before P5",
        job().report("12:00", 2000).partner_cancelled(),
        upheld("not_on_site", "OOS-14 OOS-19", "cancelled report booked assigned"),
    ),
    row(
        "P4 not genuine, not marked: says what ought to be",
        off_site().not_genuine().partner_cancelled(marked="none"),
        NOT_ON_SITE,
    ),
    row(
        "P4 rests on the earliest presence fact off site",
        job().report("10:00", 2000).ticket().image("10:10").report("12:00", 3000).partner_cancelled(),
        NOT_ON_SITE,
    ),
    row("no P4: the customer cancelled", off_site().customer_cancelled(marked="partner"), PENDING),
    row("no P4 on the commercial route", off_site(**offices()).partner_cancelled(), PENDING),
    row("no P4: on site at another presence fact", off_site().report("12:00").partner_cancelled(), PENDING),
    # P5
    row("P5 at the cancellation", job().partner_cancelled(), NO_CLAIM_YET),
    row("P5 just before the window ends", job().partner_cancelled(), NO_CLAIM_YET, now="12:00 +72h -1us"),
    row("P5 when the window ends", job().partner_cancelled(), NO_CLAIM, now="12:00 +72h"),
    row("P5 long after: effective when the window ended", job().partner_cancelled(), NO_CLAIM, now="12:00 +30d"),
    row(
        "P5 on site, on the commercial route: the window is counted from the earliest marked one",
        job(**offices()).report("11:00").partner_cancelled("11:00", marked="none").customer_cancelled(marked="partner"),
        upheld("no_claim", "OOS-18", "cancelled2", status="provisional"),
        now="11:00 +72h",
    ),
    row(
        "P5 the window begins with the earliest of two",
        job().partner_cancelled("11:00").customer_cancelled(marked="partner"),
        upheld("no_claim", "OOS-18", "cancelled", at="11:00 +72h"),
        now="11:00 +72h",
    ),
    row("a claim after the window still counts", job().partner_cancelled().ticket("12:00 +73h"), PENDING),
    row(
        "P5 without a mark falls through to P10",
        job().partner_cancelled(marked="customer"),
        not_applicable("cancelled"),
    ),
    # P6
    row("P6 marked", on_site().partner_cancelled(), PENDING),
    row("P6 not marked", on_site().customer_cancelled(), PENDING_UNMARKED),
    row("P6 unseen, before P7", unseen().customer_cancelled(), PENDING_UNMARKED),
    row(
        "P6 with a validation but no image",
        on_site().validated().customer_cancelled(),
        review("awaiting_validation", "OOS-18", "t1 validated cancelled", marked=False),
    ),
    row(
        "P6 cites the earliest cancellation of any kind",
        on_site().customer_cancelled("11:00").customer_cancelled(marked="partner"),
        PENDING,
    ),
    # P7
    row(
        "P7 marked",
        unseen().genuine().partner_cancelled(),
        review("presence_unknown", "OOS-7", f"{GENUINE} cancelled", marked=True),
    ),
    row(
        "P7 not marked",
        unseen().genuine().customer_cancelled(),
        review("presence_unknown", "OOS-7", f"{GENUINE} cancelled", marked=False),
    ),
    row(
        "P7 start code refused: no image",
        unseen(reason="otp_refused").validated().customer_cancelled(),
        review("presence_unknown", "OOS-7", "t1 validated cancelled", marked=False),
    ),
    row("no P7 on the commercial route", unseen(**offices()).genuine().partner_cancelled(), COMMERCIAL_REVERSAL),
    # P8
    row("P8", on_site().genuine().partner_cancelled(), REVERSAL),
    row(
        "P8 marked by a customer's cancellation",
        on_site().genuine().customer_cancelled(marked="partner"),
        REVERSAL,
    ),
    row("P8 on route manual", on_site(city="Jaipur").genuine().partner_cancelled(), REVERSAL),
    row(
        "P8 cites the mark, not an earlier end",
        on_site().genuine().customer_cancelled("11:30").customer_cancelled(marked="partner"),
        reversal("OOS-18", f"{GENUINE} cancelled2 {PRESENCE}"),
    ),
    row(
        "P8 with a commercial appliance",
        on_site(appliance_use="commercial").validated().partner_cancelled(),
        reversal("OOS-18", f"t1 validated cancelled {PRESENCE}"),
    ),
    row(
        "P8 rests on the earliest presence fact on site and its own report",
        off_site().image("10:30").report("10:40").image("10:45").validated().partner_cancelled(),
        reversal("OOS-18", "t1 validated image cancelled image2 report2 booked assigned"),
    ),
    row(
        "P8 cites the assignment in force at the presence fact",
        on_site().genuine().partner_cancelled().assigned("13:00"),
        REVERSAL,
    ),
    row(
        "P8 on the commercial route by the ticket's reason: the ticket is cited",
        unseen(city="Jaipur", reason="commercial_premises").genuine().partner_cancelled(),
        COMMERCIAL_REVERSAL,
    ),
    row(
        "P8 on the commercial route by other tickets' reason: the earliest is cited",
        unseen(city="Jaipur")
        .ticket("10:01", "t2", reason="commercial_premises")
        .ticket("10:02", "t3", reason="commercial_premises")
        .genuine()
        .partner_cancelled(),
        reversal("OOS-12", f"{GENUINE} cancelled booked t2"),
    ),
    row(
        "P8 on the commercial route by premises: the other ticket is not cited",
        unseen(**offices()).ticket("10:01", "t2", reason="commercial_premises").genuine().partner_cancelled(),
        COMMERCIAL_REVERSAL,
    ),
    # P9
    row("P9", on_site().genuine().customer_cancelled(), WAIVED),
    row(
        "P9 marked against the customer",
        on_site().genuine().cancelled("12:00", "customer", marked="customer"),
        WAIVED,
    ),
    row("P9 the partner cancelled", on_site().genuine().partner_cancelled(marked="none"), WAIVED),
    row(
        "P9 the platform cancelled before",
        on_site().genuine().cancelled("10:30", "platform", marked="none"),
        WAIVED,
    ),
    # P10
    row(
        "P10 not genuine, not marked",
        on_site().not_genuine().customer_cancelled(),
        not_applicable("t1 validated cancelled"),
    ),
    row(
        "P10 not genuine, off site, customer cancelled",
        off_site().not_genuine().customer_cancelled(),
        not_applicable("t1 validated cancelled"),
    ),
    row("P10 on site, no ticket", job().report("12:00").partner_cancelled(marked="none"), not_applicable("cancelled")),
    row(
        "P10 off site on the commercial route",
        job(**offices()).report("12:00", 2000).partner_cancelled(marked="none"),
        not_applicable("cancelled"),
    ),
    row(
        "P10 cites the earliest cancellation of any kind",
        job().customer_cancelled("11:00").partner_cancelled(marked="none"),
        not_applicable("cancelled"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_paf(row: Row) -> None:
    assert row.found() == row.stated()


ABOUT = [
    pytest.param(unbooked().customer_cancelled("11:00").partner_cancelled(), "cancelled", None, id="P0"),
    pytest.param(
        on_site(group="rwm").customer_cancelled("11:00").partner_cancelled(), "cancelled2", None, id="P1 the partner's"
    ),
    pytest.param(
        on_site().not_genuine().customer_cancelled("11:10").partner_cancelled(),
        "cancelled2",
        "t1",
        id="P2 the marked one",
    ),
    pytest.param(off_site().genuine().customer_cancelled(), "cancelled", "t1", id="P3"),
    pytest.param(off_site().partner_cancelled(), "cancelled", None, id="P4"),
    pytest.param(job().customer_cancelled("11:00").partner_cancelled(), "cancelled2", None, id="P5"),
    pytest.param(on_site().customer_cancelled("11:00").partner_cancelled(), "cancelled", "t1", id="P6 the earliest"),
    pytest.param(unseen().genuine().customer_cancelled(), "cancelled", "t1", id="P7"),
    pytest.param(on_site().genuine().customer_cancelled("11:00").partner_cancelled(), "cancelled2", "t1", id="P8"),
    pytest.param(
        on_site(**offices()).genuine().customer_cancelled("11:00").partner_cancelled(),
        "cancelled2",
        "t1",
        id="P8 commercial",
    ),
    pytest.param(on_site().genuine().customer_cancelled(), "cancelled", "t1", id="P9"),
    pytest.param(on_site(**offices()).genuine().customer_cancelled(), "cancelled", "t1", id="P9 commercial"),
    pytest.param(on_site().customer_cancelled().not_genuine(), "cancelled", "t1", id="P10 with a claim"),
]


@pytest.mark.parametrize(("case", "cancellation", "claim"), ABOUT)
def test_a_decision_names_the_cancellation_and_the_claim_of_its_evidence(
    case: Scenario, cancellation: str, claim: str | None
) -> None:
    decided = [each["data"] for each in case.messages() if each["type"] == "decision.paf"]
    refs = {"cancellation_ref": f"{SOURCE}#{cancellation}"} | ({"claim_ref": f"{SOURCE}#{claim}"} if claim else {})
    assert {name: ref for name, ref in decided[-1].items() if name.endswith("_ref")} == refs
    assert set(refs.values()) <= set(decided[-1]["evidence"])
