"""Whose a fact is: the partner in force, a named partner or nobody; and what a late assignment moves."""

from __future__ import annotations

import pytest

from tests.rules.table import Decision, Row, decided, decision, job, row
from tests.rules.test_paf import not_applicable, upheld, waived
from tests.rules.test_tagging import cant_deliver, pending, tagged
from tests.scenario import Scenario


def reassigned() -> Scenario:
    """The job goes from p1 to p2 at 12:00."""
    return job().assigned("12:00", "p2")


def withdrawn(kind: str, evidence: str) -> Decision:
    return decision(kind, "withdrawn", "final", "", evidence)


TABLE = [
    # a ticket
    row("a ticket before any assignment: the earliest", reassigned().ticket("08:30"), decided("tagging p1")),
    row("a ticket at the first assignment", reassigned().ticket("09:00"), decided("tagging p1")),
    row("a ticket just before the second", reassigned().ticket("12:00 -1us"), decided("tagging p1")),
    row("a ticket at the second", reassigned().ticket("12:00"), decided("tagging p2")),
    row("a ticket after the second", reassigned().ticket("13:00"), decided("tagging p2")),
    row("a ticket after the job came back", reassigned().assigned("14:00").ticket("15:00"), decided("tagging p1")),
    row("a ticket before the job came back", reassigned().assigned("14:00").ticket("13:00"), decided("tagging p2")),
    row(
        "of two assignments at one time the greater id is in force",
        Scenario().booked().assigned("09:00", "p1").assigned("09:00", "p2").ticket(),
        decided("tagging p2"),
    ),
    row("a ticket, nobody assigned", Scenario().booked().ticket(), decided("tagging None")),
    row("a ticket that names a partner", reassigned().ticket("13:00", partner_id="p1"), decided("tagging p1")),
    row("a ticket that names a partner never assigned", job().ticket(partner_id="p9"), decided("tagging p9")),
    row("a ticket that names a partner, nobody assigned", Scenario().ticket(partner_id="p9"), decided("tagging p9")),
    # a cancellation
    row("a cancellation just before the second", reassigned().cancelled("12:00 -1us"), decided("tagging p1", "paf p1")),
    row("a cancellation at the second", reassigned().cancelled("12:00"), decided("tagging p2", "paf p2")),
    row(
        "a cancellation that names a partner",
        reassigned().cancelled("13:00", partner="p1"),
        decided("tagging p1", "paf p1"),
    ),
    row(
        "a cancellation that names a partner never assigned",
        job().cancelled(partner="p9"),
        decided("tagging p9", "paf p9"),
    ),
    row("a cancellation, nobody assigned", Scenario().booked().cancelled(), decided("tagging None", "paf None")),
    # a rating ticket
    row(
        "a rating ticket before any closing: in force",
        reassigned().rating_ticket("13:00"),
        decided("rating_reversal p2"),
    ),
    row(
        "a rating ticket after a closing: of the partner who closed",
        reassigned().closed("11:00").rating_ticket("13:00"),
        decided("rating_reversal p1"),
    ),
    row(
        "a rating ticket before the closing: in force",
        reassigned().closed("14:00").rating_ticket("13:00"),
        decided("rating_reversal p2"),
    ),
    row(
        "a rating ticket of the time of a closing, after it by id",
        reassigned().closed("13:00").rating_ticket("13:00"),
        decided("rating_reversal p1"),
    ),
    row(
        "a rating ticket after several closings: of the latest",
        job().closed("10:00").closed("11:00", partner="p2").rating_ticket("12:00"),
        decided("rating_reversal p2"),
    ),
    row(
        "a rating ticket that names a partner",
        reassigned().closed("11:00").rating_ticket("13:00", partner_id="p2"),
        decided("rating_reversal p2"),
    ),
    # what belongs together
    row(
        "what is added to a ticket goes with it",
        reassigned().ticket().image("13:00").validated("14:00"),
        decided("tagging p1"),
        tagged("t1 validated image"),
    ),
    row(
        "each partner is decided on by their own facts",
        reassigned()
        .ticket()
        .not_genuine()
        .cancelled("11:30", "customer", marked="partner")
        .report("13:00", partner="p2")
        .ticket("13:00", "t2")
        .image("13:05", "t2")
        .validated("14:00", ticket="t2")
        .customer_cancelled("15:00"),
        upheld("not_genuine", "OOS-18", "t1 validated cancelled"),
        waived("t2 image validated2 cancelled2 report booked assigned2").of("p2"),
    ),
    row(
        "a claim of one partner is none of another",
        reassigned().ticket().partner_cancelled("13:00"),
        pending("t1"),
        cant_deliver("cancelled").of("p2"),
    ),
    row(
        "the group is that of the engagement's partner",
        job(group="rwm").assigned("12:00", "p2").partner_cancelled("13:00", marked="none"),
        not_applicable("cancelled").of("p2"),
    ),
    # late facts
    row(
        "a late assignment moves facts, what they had is withdrawn",
        job().ticket().genuine().partner_cancelled().assigned("09:30", "p2"),
        decided("tagging p2", "paf p2"),
        withdrawn("tagging", "t1 validated image"),
    ),
    row(
        "what was withdrawn can come back",
        job().ticket().genuine().assigned("09:30", "p2").assigned("09:40"),
        decided("tagging p1"),
        tagged("t1 validated image"),
    ),
    row(
        "a first assignment moves the facts of nobody",
        Scenario().booked().ticket().assigned("14:00"),
        decided("tagging p1"),
    ),
    row("a fact about an unknown ticket waits", job().image().validated(), decided()),
    row("a rating and its stars decide nothing", job().add("13:00", "job.rated", "rated", stars=1), decided()),
    row("both sides of a case are decided", job().ticket().complaint(), decided("tagging p1", "tagging None")),
]


@pytest.mark.parametrize("row", TABLE)
def test_engagements(row: Row) -> None:
    assert row.found() == row.stated()
