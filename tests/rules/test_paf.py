"""The penalty: every row P0 to P10, both sides of its deadline, and which row comes first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import Row, away, begun, dropped, here, offices, proven, quit_job, refuted, row, struck, unseen
from tests.scenario import POLICY, Ruled, Scenario, instant, judge, ruled

ON = "t1 report booked assigned"
OFF = ON
GENUINE = "t1 validated image"


def paf(
    outcome: str,
    status: str,
    marked: bool | None,
    mg: bool | None,
    clauses: str,
    evidence: str,
    at: str = "12:00",
    reasons: str = "",
    **fields: Any,
) -> Ruled:
    """Return an expected ruling with its two fields that are always there."""
    return ruled(outcome, status, clauses, evidence, at, reasons, cancellation_marked=marked, counts_in_mg=mg, **fields)


def review(reason: str, marked: bool, clause: str, evidence: str, at: str = "12:00") -> Ruled:
    return paf("under_review", "provisional", marked, None, clause, evidence, at, reason)


def upheld(reason: str, clauses: str, evidence: str, at: str = "12:00") -> Ruled:
    return paf("upheld", "final", True, True, clauses, evidence, at, reason)


def reversal(clause: str, evidence: str, at: str = "12:00") -> Ruled:
    return paf("reversal_scheduled", "final", True, False, clause, evidence, at, resolve_at="training_or_review")


def waived(evidence: str, at: str = "12:00") -> Ruled:
    return paf("waived", "final", False, False, "OOS-20", evidence, at)


def nothing(evidence: str, at: str = "12:00") -> Ruled:
    return paf("not_applicable", "final", False, None, "OOS-16", evidence, at)


def unbooked() -> Scenario:
    return Scenario().assigned().ticket("10:00")


TABLE = [
    # when it is decided at all
    row("no cancellation", proven(here()), None),
    row("cancelled by the customer, no ticket", dropped(begun()), None),
    row("cancelled by the partner for another reason, no ticket", quit_job(begun(), reason="other"), None),
    # P0
    row("P0 marked", struck(unbooked()), review("booking_missing", True, "OOS-18", "cancelled")),
    row("P0 not marked", dropped(unbooked()), review("booking_missing", False, "OOS-18", "cancelled")),
    row("P0 before P2", struck(refuted(unbooked())), review("booking_missing", True, "OOS-18", "cancelled")),
    row("P0 before P5", quit_job(Scenario().assigned()), review("booking_missing", True, "OOS-18", "cancelled")),
    row(
        "P0 cites the earliest cancellation of any kind",
        quit_job(dropped(unbooked(), "11:00")),
        review("booking_missing", True, "OOS-18", "cancelled", "11:00"),
    ),
    # P1
    row(
        "P1 no ticket, marked",
        quit_job(begun(group="rwm")),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
    ),
    row(
        "P1 genuine, not marked: says what ought to be",
        quit_job(proven(here(group="rwm")), marked="none"),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
    ),
    row(
        "P1 before P2, in Mumbai",
        quit_job(refuted(here(group="rwm", city="Mumbai"))),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
    ),
    row(
        "P1 before P4",
        quit_job(away(group="rwm")),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
    ),
    row(
        "P1 cites the partner's cancellation and latest assignment",
        quit_job(dropped(begun().assigned("09:30", group="rwm"), "11:00")),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned2 cancelled2"),
    ),
    row(
        "P1 by an assignment after the cancellation",
        quit_job(begun()).assigned("13:00", group="rwm"),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned2 cancelled", "13:00"),
    ),
    row(
        "no P1: the latest assignment has no group",
        quit_job(begun(group="rwm").assigned("09:30")),
        paf("upheld", "provisional", True, True, "OOS-18", "cancelled", "12:00", "no_claim"),
    ),
    row(
        "no P1: the customer cancelled",
        struck(proven(here(group="rwm"))),
        reversal("OOS-18", f"{GENUINE} cancelled {ON}"),
    ),
    row(
        "no P1: another group",
        quit_job(begun(group="gold")),
        paf("upheld", "provisional", True, True, "OOS-18", "cancelled", "12:00", "no_claim"),
    ),
    row(
        "no P1: another city",
        quit_job(proven(here(group="rwm", city="Pune"))),
        reversal("OOS-18", f"{GENUINE} cancelled {ON}"),
    ),
    row(
        "P1 before the commercial route",
        quit_job(begun(group="rwm", premises="commercial", category="ro")),
        upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
    ),
    # P2
    row("P2", struck(refuted(here())), upheld("not_genuine", "OOS-18", "t1 validated cancelled")),
    row("P2 unseen", struck(refuted(unseen())), upheld("not_genuine", "OOS-18", "t1 validated cancelled")),
    row(
        "P2 before P4",
        quit_job(refuted(away())),
        upheld("not_genuine", "OOS-18", "t1 validated cancelled"),
    ),
    row(
        "P2 on the commercial route",
        quit_job(refuted(here(**offices()))),
        upheld("not_genuine", "OOS-18", "t1 validated cancelled"),
    ),
    row(
        "P2 cites the earliest marked cancellation",
        struck(struck(dropped(refuted(here()), "11:10"), "11:20"), "11:30"),
        upheld("not_genuine", "OOS-18", "t1 validated cancelled2", "11:20"),
    ),
    # P3
    row(
        "P3 marked",
        quit_job(proven(away())),
        review("presence_conflict", True, "OOS-7", f"{GENUINE} cancelled {OFF}"),
    ),
    row(
        "P3 not marked, before P9",
        dropped(proven(away())),
        review("presence_conflict", False, "OOS-7", f"{GENUINE} cancelled {OFF}"),
    ),
    row(
        "P3 on route manual",
        dropped(proven(away(city="Jaipur"))),
        review("presence_conflict", False, "OOS-7", f"{GENUINE} cancelled {OFF}"),
    ),
    row(
        "no P3 on the commercial route, marked",
        quit_job(proven(away(**offices()))),
        reversal("OOS-12", f"{GENUINE} cancelled booked"),
    ),
    row(
        "no P3 on the commercial route, not marked",
        dropped(proven(away(**offices()))),
        waived(f"{GENUINE} cancelled booked"),
    ),
    # P4
    row(
        "P4 pending, before P6",
        quit_job(away()),
        upheld("not_on_site", "OOS-14 OOS-19", f"cancelled {OFF}"),
    ),
    row(
        "P4 no ticket, before P5",
        quit_job(begun().report("12:00", 2000)),
        upheld("not_on_site", "OOS-14 OOS-19", "cancelled report booked assigned"),
    ),
    row(
        "P4 not genuine, not marked: says what ought to be",
        quit_job(refuted(away()), marked="none"),
        upheld("not_on_site", "OOS-14 OOS-19", f"cancelled {OFF}"),
    ),
    row(
        "P4 rests on the earliest moment off site",
        quit_job(begun().report("10:00", 2000).ticket("10:00").image("10:10").report("12:00", 3000)),
        upheld("not_on_site", "OOS-14 OOS-19", f"cancelled {OFF}"),
    ),
    row(
        "no P4: the customer cancelled",
        struck(away()),
        review("awaiting_validation", True, "OOS-18", "t1 cancelled"),
    ),
    row(
        "no P4 on the commercial route",
        quit_job(away(**offices())),
        review("awaiting_validation", True, "OOS-18", "t1 cancelled"),
    ),
    row(
        "no P4: on site at another moment",
        quit_job(away().report("12:00")),
        review("awaiting_validation", True, "OOS-18", "t1 cancelled"),
    ),
    # P5
    row(
        "P5 at the cancellation",
        quit_job(begun()),
        paf("upheld", "provisional", True, True, "OOS-18", "cancelled", "12:00", "no_claim"),
    ),
    row(
        "P5 just before the window ends",
        quit_job(begun()),
        paf("upheld", "provisional", True, True, "OOS-18", "cancelled", "12:00", "no_claim"),
        now="12:00 +72h -1us",
    ),
    row(
        "P5 when the window ends",
        quit_job(begun()),
        paf("upheld", "final", True, True, "OOS-18", "cancelled", "12:00 +72h", "no_claim"),
        now="12:00 +72h",
    ),
    row(
        "P5 long after: effective when the window ended",
        quit_job(begun()),
        paf("upheld", "final", True, True, "OOS-18", "cancelled", "12:00 +72h", "no_claim"),
        now="12:00 +30d",
    ),
    row(
        "P5 on site, on the commercial route: the window is counted from the earliest marked one",
        struck(quit_job(begun(**offices()).report("11:00"), "11:00", marked="none"), "12:00"),
        paf("upheld", "provisional", True, True, "OOS-18", "cancelled2", "12:00", "no_claim"),
        now="11:00 +72h",
    ),
    row(
        "a claim after the window still counts",
        quit_job(begun()).ticket("12:00 +73h"),
        review("awaiting_validation", True, "OOS-18", "t1 cancelled", "12:00 +73h"),
    ),
    row(
        "P5 without a mark falls through to P10",
        quit_job(begun(), marked="customer"),
        nothing("cancelled"),
    ),
    # P6
    row("P6 marked", quit_job(here()), review("awaiting_validation", True, "OOS-18", "t1 cancelled")),
    row("P6 not marked", dropped(here()), review("awaiting_validation", False, "OOS-18", "t1 cancelled")),
    row("P6 unseen, before P7", dropped(unseen()), review("awaiting_validation", False, "OOS-18", "t1 cancelled")),
    row(
        "P6 with a verdict that lacks images",
        dropped(here().validated("11:00")),
        review("awaiting_validation", False, "OOS-18", "t1 validated cancelled"),
    ),
    row(
        "P6 cites the earliest cancellation of any kind",
        struck(dropped(here(), "11:00")),
        review("awaiting_validation", True, "OOS-18", "t1 cancelled", "11:00"),
    ),
    # P7
    row(
        "P7 marked",
        quit_job(proven(unseen())),
        review("presence_unknown", True, "OOS-7", f"{GENUINE} cancelled"),
    ),
    row(
        "P7 not marked",
        dropped(proven(unseen())),
        review("presence_unknown", False, "OOS-7", f"{GENUINE} cancelled"),
    ),
    row(
        "P7 start code refused: no image",
        dropped(unseen(reason="otp_refused").validated("11:00")),
        review("presence_unknown", False, "OOS-7", "t1 validated cancelled"),
    ),
    row(
        "no P7 on the commercial route",
        quit_job(proven(unseen(**offices()))),
        reversal("OOS-12", f"{GENUINE} cancelled booked"),
    ),
    # P8
    row("P8", quit_job(proven(here())), reversal("OOS-18", f"{GENUINE} cancelled {ON}")),
    row(
        "P8 marked by a customer's cancellation",
        struck(proven(here())),
        reversal("OOS-18", f"{GENUINE} cancelled {ON}"),
    ),
    row("P8 on route manual", quit_job(proven(here(city="Jaipur"))), reversal("OOS-18", f"{GENUINE} cancelled {ON}")),
    row(
        "P8 cites the mark, not an earlier end",
        struck(dropped(proven(here()), "11:30")),
        reversal("OOS-18", f"{GENUINE} cancelled2 {ON}"),
    ),
    row(
        "P8 with a commercial appliance",
        quit_job(here(appliance_use="commercial").validated("11:00")),
        reversal("OOS-18", f"t1 validated cancelled {ON}"),
    ),
    row(
        "P8 rests on the earliest moment on site and its own report",
        quit_job(away().image("10:30").report("10:40").image("10:45").validated("11:00")),
        reversal("OOS-18", "t1 validated image cancelled image2 report2 booked assigned"),
    ),
    row(
        "P8 cites the assignment in force at the moment",
        quit_job(proven(here())).assigned("13:00"),
        reversal("OOS-18", f"{GENUINE} cancelled {ON}"),
    ),
    row(
        "P8 on the commercial route by the ticket's reason: the ticket is cited",
        quit_job(proven(unseen(city="Jaipur", reason="commercial_premises"))),
        reversal("OOS-12", f"{GENUINE} cancelled booked"),
    ),
    row(
        "P8 on the commercial route by another ticket's reason",
        quit_job(proven(unseen(city="Jaipur").ticket("10:01", "t2", reason="commercial_premises"))),
        reversal("OOS-12", f"{GENUINE} cancelled booked t2"),
    ),
    row(
        "P8 on the commercial route by premises: the other ticket is not cited",
        quit_job(proven(unseen(**offices()).ticket("10:01", "t2", reason="commercial_premises"))),
        reversal("OOS-12", f"{GENUINE} cancelled booked"),
    ),
    # P9
    row("P9", dropped(proven(here())), waived(f"{GENUINE} cancelled {ON}")),
    row(
        "P9 marked against the customer",
        proven(here()).cancelled("12:00", "customer", marked="customer"),
        waived(f"{GENUINE} cancelled {ON}"),
    ),
    row("P9 the partner cancelled", quit_job(proven(here()), marked="none"), waived(f"{GENUINE} cancelled {ON}")),
    row(
        "P9 the platform cancelled before",
        proven(here()).cancelled("10:30", "platform", marked="none"),
        waived(f"{GENUINE} cancelled {ON}", "11:00"),
    ),
    # P10
    row("P10 not genuine, not marked", dropped(refuted(here())), nothing("t1 validated cancelled")),
    row("P10 not genuine, off site, customer cancelled", dropped(refuted(away())), nothing("t1 validated cancelled")),
    row("P10 on site, no ticket", quit_job(begun().report("12:00"), marked="none"), nothing("cancelled")),
    row(
        "P10 off site on the commercial route",
        quit_job(begun(**offices()).report("12:00", 2000), marked="none"),
        nothing("cancelled"),
    ),
    row(
        "P10 cites the earliest cancellation of any kind",
        quit_job(dropped(begun(), "11:00"), marked="none"),
        nothing("cancelled", "11:00"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_paf_follows_the_table(row: Row) -> None:
    assert row.outcome().ruling("paf", row.partner) == row.expected


def test_the_end_of_the_claim_window_is_announced_as_a_deadline() -> None:
    case = quit_job(begun())
    ends, now, announced = instant("12:00 +72h"), instant("12:00"), set[int]()
    while now < ends:
        due = judge(case.case_id, case.facts, case.reports, POLICY, now).next_deadline
        assert due is not None
        assert due > now
        announced.add(due)
        now = due
    assert ends in announced
