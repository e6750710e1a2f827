"""Presence: both sides of each bound, which report counts, which facts are presence facts, and what is cited.

Presence shows in the penalty: a genuine claim without a mark is waived on site, contradicted off site, and waits for
presence where it is unknown.
"""

from __future__ import annotations

from math import nextafter

import pytest

from agents.presence.geo import distance_m
from schemas.events import Site
from tests.rules.table import Decision, Row, action, decision, job, row
from tests.scenario import SITE, Scenario, destination

PRESENCE = "t1 report booked assigned"
"""What shows presence at the creation of t1."""
REPORTED_M = distance_m(Site(*destination(100)), Site(*SITE))
"""How far from the site a report is by default: 100 m, to the last bit."""
JUDGED = "picture validated end"
SITES = {
    "on the date line": (0.0, 180.0),
    "west of the date line": (0.0, -180.0),
    "at the north pole": (90.0, 0.0),
    "at the south pole": (-90.0, 10.0),
    "east of the date line": (66.5, 179.9999),
    "at the meridian": (-33.9, -0.0001),
}


def judged(case: Scenario) -> Scenario:
    """An agent's image, a validation and the platform's cancellation: a genuine claim, none of them a presence fact."""
    case.add("08:30", "ticket.media_added", "picture", ticket_id="t1", added_by="agent", url="https://media.example/0")
    return case.validated("18:00").add(
        "18:10", "cancellation.recorded", "end", by="platform", reason="other", marked_against="none"
    )


def on_site(shown: str = PRESENCE) -> Decision:
    evidence = f"{shown} t1 {JUDGED}"
    return decision("paf", "waived", "final", "OOS-20", evidence, cancellation_marked=False, counts_in_mg=False)


def off_site(shown: str = PRESENCE) -> Decision:
    return review("presence_conflict", f"{shown} t1 {JUDGED}")


def unknown() -> Decision:
    return review("presence_unknown", f"t1 {JUDGED}")


def review(reason: str, evidence: str) -> Decision:
    return decision(
        "paf",
        "under_review",
        "provisional",
        "OOS-7",
        evidence,
        reasons=reason,
        cancellation_marked=False,
        counts_in_mg=None,
    )


def at_ten(case: Scenario) -> Scenario:
    """A claim at 10:00, judged."""
    return judged(case.ticket())


def image_at_ten(by: str) -> Scenario:
    """An image at 10:00 on a ticket of 09:30."""
    return judged(job().report("10:00").ticket("09:30").image("10:00", by=by))


TABLE = [
    # how far
    row("0 m", at_ten(job().report("10:00", 0)), on_site()),
    *(
        row(f"499.999 m, bearing {b}", at_ten(job().report("10:00", 499.999, bearing=b)), on_site())
        for b in (0, 45, 180)
    ),
    *(
        row(f"500.001 m, bearing {b}", at_ten(job().report("10:00", 500.001, bearing=b)), off_site())
        for b in (0, 45, 180)
    ),
    row("at the other end of the world", at_ten(job().report("10:00", 20_000_000)), off_site()),
    *(
        row(
            f"499.9 m from a site {name}",
            at_ten(job(site=site).report("10:00", 499.9, bearing=60, site=site)),
            on_site(),
        )
        for name, site in SITES.items()
    ),
    *(
        row(
            f"500.1 m from a site {name}",
            at_ten(job(site=site).report("10:00", 500.1, bearing=60, site=site)),
            off_site(),
        )
        for name, site in SITES.items()
    ),
    row("as far as the radius", at_ten(job().report("10:00")), on_site(), policy=f"presence.radius_m = {REPORTED_M}"),
    row(
        "farther than the radius",
        at_ten(job().report("10:00")),
        off_site(),
        policy=f"presence.radius_m = {nextafter(REPORTED_M, 0)}",
    ),
    # how accurate
    row("accuracy 200 m", at_ten(job().report("10:00", accuracy=200)), on_site()),
    row("accuracy worse than 200 m", at_ten(job().report("10:00", accuracy=200.001)), unknown()),
    row("accuracy 0 means unknown", at_ten(job().report("10:00", accuracy=0)), unknown()),
    row("accuracy hardly above 0", at_ten(job().report("10:00", accuracy=0.001)), on_site()),
    row("mocked", at_ten(job().report("10:00", mocked=True)), unknown()),
    row("a fix at (0, 0)", at_ten(job(site=(0, 0)).report("10:00", 0, site=(0, 0))), unknown()),
    row("a fix next to (0, 0)", at_ten(job(site=(0, 0)).report("10:00", 1, site=(0, 0))), on_site()),
    # how close in time
    row("more than 15 min before", at_ten(job().report("09:45 -1us")), unknown()),
    row("15 min before", at_ten(job().report("09:45")), on_site()),
    row("5 min after", at_ten(job()).report("10:05"), on_site()),
    row("more than 5 min after", at_ten(job()).report("10:05 +1us"), unknown()),
    # whose, and from where
    row("another partner's", at_ten(job().report("10:00", partner="p2")), unknown()),
    row(
        "the latest booking gives the site",
        at_ten(job().report("10:00")).booked("12:00", site=destination(2000)),
        off_site("t1 report booked2 assigned"),
    ),
    row(
        "no booking: unknown",
        Scenario().assigned().report("10:00").ticket().partner_said("refuses_visit"),
        action("warn_cancellation_counts", "OOS-14").open,  # it would not be, on site
    ),
    row(
        "a first booking that comes late measures the report that counted",
        judged(Scenario().assigned().report("10:00").ticket()).booked("+30d"),
        on_site(),
    ),
    row("a report that arrives late", at_ten(job()).report("10:00"), on_site()),
    row("a report that arrives twice", at_ten(job().report("10:00").again()), on_site()),
    # which of several
    row(
        "the closest in time",
        at_ten(job().report("09:55", 2000).report("10:04")),
        on_site("t1 report2 booked assigned"),
    ),
    row(
        "the closest in time, however far",
        at_ten(job().report("09:50").report("09:56", 2000)),
        off_site("t1 report2 booked assigned"),
    ),
    row("the closest by a microsecond", at_ten(job().report("09:57 +1us").report("10:03", 2000)), on_site()),
    row(
        "of two equally close the earlier",
        at_ten(job().report("10:03", 2000).report("09:57")),
        on_site("t1 report2 booked assigned"),
    ),
    row(
        "not valid ones that are closer",
        at_ten(job().report("09:50").report("09:59", 2000, accuracy=300).report("10:00", 2000, mocked=True)),
        on_site(),
    ),
    # which of one slot of ten seconds
    row(
        "the most accurate",
        at_ten(job().report("09:59:59", 2000, accuracy=20).report("09:59:50")),
        on_site("t1 report2 booked assigned"),
    ),
    row(
        "of equal accuracy the earlier",
        at_ten(job().report("09:59:59", 2000).report("09:59:50")),
        on_site("t1 report2 booked assigned"),
    ),
    row("at one time the smaller id", at_ten(job().report("09:59:55").report("09:59:55", 2000)), on_site()),
    row(
        "the next slot counts by itself",
        at_ten(job().report("09:59:59.999999", 2000, accuracy=5).report("10:00", accuracy=150)),
        on_site("t1 report2 booked assigned"),
    ),
    row(
        "the slot before counts by itself",
        at_ten(job().report("09:59:50", accuracy=150).report("09:59:49.999999", 2000, accuracy=5)),
        on_site(),
    ),
    row(
        "mocked ones apart",
        at_ten(job().report("09:59:55", accuracy=50).report("09:59:56", 2000, accuracy=1, mocked=True)),
        on_site(),
    ),
    row(
        "an inaccurate one displaces none",
        at_ten(job().report("09:59:55", accuracy=200).report("09:59:59", 2000, accuracy=201)),
        on_site(),
    ),
    row(
        "one of unknown accuracy displaces none",
        at_ten(job()).report("10:00:05", 2000, accuracy=0).report("10:00:06", accuracy=8),
        on_site("t1 report2 booked assigned"),
    ),
    # which facts are presence facts
    row("an image of the partner", image_at_ten("partner"), on_site("image report booked assigned")),
    row("an image of the customer", image_at_ten("customer"), unknown()),
    row("a ticket that the customer opened", judged(job().report("10:00").ticket(by="customer")), on_site()),
    row(
        "a later ticket",
        judged(job().report("10:00").ticket("09:30").ticket("10:00", "t2")),
        on_site("t2 report booked assigned"),
    ),
    row("a rating ticket", judged(job().report("10:00").ticket("09:30").rating_ticket("10:00")), unknown()),
    row(
        "an image on a rating ticket",
        judged(job().report("10:00").ticket("09:30").rating_ticket("09:40").image("10:00", "r1")),
        unknown(),
    ),
    row("a call", judged(job().report("10:00").ticket("09:30").partner_said("will_visit", "10:00")), unknown()),
    # several presence facts, and what is cited
    row(
        "on site at any is on site",
        judged(job().report("10:00", 2000).ticket().report("11:00").image("11:00")),
        on_site("image report2 booked assigned"),
    ),
    row(
        "off site at any is off site, if never on site",
        judged(job().ticket().report("11:00", 2000).image("11:00")),
        off_site("image report booked assigned"),
    ),
    row(
        "the earliest presence fact on site is cited",
        judged(job().report("10:00").ticket().report("11:00").image("11:00")),
        on_site(),
    ),
    row(
        "the earliest presence fact off site is cited",
        judged(job().report("10:00", 2000).ticket().report("11:00", 2000).image("11:00")),
        off_site(),
    ),
    row(
        "the assignment at the presence fact is cited",
        at_ten(job().assigned("09:50").report("10:00")).assigned("19:00"),
        on_site("t1 report booked assigned2"),
    ),
    row(
        "before any assignment the earliest is cited",
        judged(Scenario().booked().report("10:00").ticket().assigned("12:00").assigned("11:00")),
        on_site("t1 report booked assigned2"),
    ),
    row(
        "a partner who was only named has none to cite",
        Scenario()
        .booked()
        .assigned(partner="p2")
        .report("10:00")
        .ticket(partner_id="p1")
        .image(by="agent")
        .validated()
        .cancelled("12:00", "platform", marked="none", partner="p1"),
        decision(
            "paf",
            "waived",
            "final",
            "OOS-20",
            "t1 report booked image validated cancelled",
            cancellation_marked=False,
            counts_in_mg=False,
        ),
    ),
    row(
        "the partner's cancellation is a presence fact",
        job().report("12:00", 2000).partner_cancelled(),
        decision(
            "paf",
            "upheld",
            "final",
            "OOS-14 OOS-19",
            "cancelled report booked assigned",
            reasons="not_on_site",
            cancellation_marked=True,
            counts_in_mg=True,
        ),
    ),
    row(
        "the customer's is none",
        job().ticket().image("10:10", by="agent").validated().report("12:00").customer_cancelled(),
        review("presence_unknown", "t1 image validated cancelled"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_presence(row: Row) -> None:
    assert row.found() == row.stated()
