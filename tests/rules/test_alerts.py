"""Alerts about single cases and partners: both sides of each condition, since when, what they cite, their labels."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, alert, job, off_site, offices, on_site, row, unseen
from tests.rules.test_offline_tagging import complaint, proven
from tests.scenario import Scenario

STAYED = alert("stayed_after_cancellation", "warning", is_moment=True, partner_id="p1")
OVERDUE = alert("park_overdue", "warning", ticket_id="t1")
OFF_SITE = alert("validated_off_site", "critical", partner_id="p1")
OUTSIDE = alert("ticket_outside_geofence", "info", is_moment=True, ticket_id="t1")
BPC = alert("bpc_only_cancellation", "warning", partner_id="p1")
MOCKED = alert("mocked_location", "warning", is_moment=True, partner_id="p1")
TRAVEL = (
    alert("impossible_travel", "warning", is_moment=True, partner_id="p1", report="/s#report2")
    .about(case_id=None)
    .but(city=None, category=None)
)
FLIP = alert(
    "decision_flip",
    "warning",
    is_moment=True,
    partner_id="p1",
    kind="tagging",
    subject_of="out_of_scope",
    revision="3",
)
STUCK = alert("stuck_provisional", "info", partner_id="p1", kind="tagging", subject_of="out_of_scope")
PRESENCE = "t1 report booked assigned"
"""What shows presence at the creation of t1."""


def met(by: str = "customer") -> Scenario:
    """A job cancelled at 12:00 with the partner on site."""
    return job().report("12:00").cancelled("12:00", by, reason="other", marked="none")


def travel(after: str, metres: float, first: float = 10, second: float = 10, *, mocked: bool = False) -> Scenario:
    """Two reports of p1, the later so long after and so far from the first, with their accuracies."""
    case = Scenario().report("10:00:01", 0, accuracy=first)
    return case.report(after, metres, accuracy=second, mocked=mocked)


TABLE = [
    # stayed_after_cancellation
    row(
        "the customer cancelled, on site", met(), STAYED.fires("12:00", "cancelled report booked assigned"), now="12:05"
    ),
    row("not before the window for reports has passed", met(), STAYED.never, now="12:05 -1us"),
    row("the platform cancelled, on site", met("platform"), STAYED.never, now="20:00"),
    row("the partner cancelled, on site", met("partner"), STAYED.never, now="20:00"),
    row(
        "the customer cancelled, off site", job().report("12:00", 2000).customer_cancelled(), STAYED.never, now="20:00"
    ),
    row("the customer cancelled, unseen", job().customer_cancelled(), STAYED.never, now="20:00"),
    row(
        "the customer cancelled, off site at the claim",
        off_site().report("12:00").customer_cancelled(),
        STAYED.fires("12:00", "cancelled report2 booked assigned"),
        now="20:00",
    ),
    row(
        "still there 30 min later",
        met("platform").report("12:30"),
        STAYED.fires("12:30", "cancelled report report2 booked assigned"),
    ),
    row("still there almost 30 min later", met("platform").report("12:30 -1us"), STAYED.never, now="20:00"),
    row("still there 2 h later", met("partner").report("14:00"), STAYED.fires("14:00"), now="20:00"),
    row("there more than 2 h later", met("platform").report("14:00 +1us"), STAYED.never, now="20:00"),
    row(
        "there again after being away", met("platform").report("12:20", 2000).report("12:40"), STAYED.never, now="20:00"
    ),
    row("away afterwards", met("platform").report("12:40").report("12:50", 2000), STAYED.fires("12:40"), now="20:00"),
    row("on site in between", met("platform").report("12:20", 499).report("12:40"), STAYED.fires("12:40"), now="20:00"),
    row("off site 40 min later", met("platform").report("12:40", 2000), STAYED.never, now="20:00"),
    row("a mocked report shows no stay", met("platform").report("12:40", mocked=True), STAYED.never, now="20:00"),
    row("an inaccurate report shows no stay", met("platform").report("12:40", accuracy=201), STAYED.never, now="20:00"),
    row(
        "an inaccurate report off site does not come between",
        met("platform").report("12:20", 2000, accuracy=201).report("12:40"),
        STAYED.fires("12:40"),
    ),
    row(
        "unseen at the cancellation",
        job().cancelled("12:00", "platform", marked="none").report("12:40"),
        STAYED.never,
        now="20:00",
    ),
    row(
        "the earliest of two stays",
        met("platform").report("12:40").cancelled("12:41", "customer"),
        STAYED.fires("12:40", "cancelled report report2 booked assigned"),
        now="20:00",
    ),
    row(
        "the customer's cancellation, not the later stay",
        job().report("12:00").report("12:40").customer_cancelled(),
        STAYED.fires("12:00", "cancelled report booked assigned"),
    ),
    row(
        "the platform cancelled as well",
        met().cancelled("12:02", "platform", marked="none"),
        STAYED.fires("12:00", "cancelled report booked assigned"),
        now="20:00",
    ),
    # park_overdue
    row("due for an hour", on_site(), OVERDUE.fires("14:00", "t1 booked"), now="14:00"),
    row("due for less than an hour", on_site(), OVERDUE.never, now="14:00 -1us"),
    row("confirmed in time", on_site().partner_said("resolution_confirmed", "13:30"), OVERDUE.never, now="15:00"),
    row("confirmed too late", on_site().partner_said("resolution_confirmed", "15:00"), OVERDUE.resolved),
    row("the ticket closed in time", on_site().ticket_closed("13:30"), OVERDUE.never, now="15:00"),
    row("the ticket closed too late", on_site().ticket_closed("15:00"), OVERDUE.resolved),
    row("the job closed", on_site().closed("11:00"), OVERDUE.fires("14:00"), now="15:00"),
    row("not ticketed", on_site(city="Jaipur"), OVERDUE.never, now="15:00"),
    row("off site", off_site(), OVERDUE.never, now="15:00"),
    row(
        "the booking corrected since",
        on_site().booked("15:00", city="Pune"),
        OVERDUE.but(city="pune").fires("15:00"),
    ),
    row(
        "each ticket by itself",
        on_site().ticket("11:00", "t2"),
        OVERDUE,
        OVERDUE.about(ticket_id="t2").never,
        now="14:30",
    ),
    # validated_off_site
    row("validated, off site", off_site().validated(), OFF_SITE.fires("11:00", f"validated {PRESENCE}")),
    row("not genuine, off site", off_site().not_genuine(), OFF_SITE.fires("11:00", f"validated {PRESENCE}")),
    row(
        "off site after the validation",
        unseen().validated().report("11:30", 2000).image("11:30"),
        OFF_SITE.fires("11:30", "t1 validated image report booked assigned"),
    ),
    row("not validated, off site", off_site(), OFF_SITE.never),
    row("validated, on site", on_site().genuine(), OFF_SITE.never),
    row("validated, unseen", unseen().genuine(), OFF_SITE.never),
    row("validated, off site, route commercial", off_site(**offices()).genuine(), OFF_SITE.never),
    row(
        "validated, off site, commercial premises in a live city", off_site(premises="commercial").validated(), OFF_SITE
    ),
    row("on site after all", off_site().validated().report("11:30").image("11:30"), OFF_SITE.resolved),
    # ticket_outside_geofence
    row("off site", off_site(), OUTSIDE.fires("10:00", PRESENCE), now="10:05"),
    row("not before the window for reports has passed", off_site(), OUTSIDE.never, now="10:05 -1us"),
    row(
        "a closer report arrives in time",
        off_site().report("10:00:30", 100).report("10:00"),
        OUTSIDE.fires("10:00"),
        now="10:05",
    ),
    row("on site", on_site(), OUTSIDE.never, now="12:00"),
    row("unseen", unseen(), OUTSIDE.never, now="12:00"),
    row("only an image off site", on_site().report("11:00", 2000).image("11:00"), OUTSIDE.never, now="12:00"),
    row("an image on site takes nothing back", off_site().report("11:00").image("11:00"), OUTSIDE, now="12:00"),
    row(
        "a rating ticket off site", job().report("10:00", 2000).rating_ticket("10:00", "t1"), OUTSIDE.never, now="12:00"
    ),
    row(
        "each ticket by itself",
        off_site().report("11:00", 3000).ticket("11:00", "t2"),
        OUTSIDE.fires("10:00"),
        OUTSIDE.about(ticket_id="t2").fires("11:00", "t2 report2 booked assigned"),
        now="12:00",
    ),
    row(
        "a corrected booking does not send it again",
        off_site().booked("12:00", city="Pune"),
        OUTSIDE.fires("10:00", PRESENCE),
    ),
    # bpc_only_cancellation
    row("P1", job(group="rwm").partner_cancelled(), BPC.fires("12:00", "booked assigned cancelled")),
    row("upheld for another reason", job().partner_cancelled(), BPC.never),
    row("the customer cancelled", on_site(group="rwm").customer_cancelled(marked="partner"), BPC.never),
    row("P1 no more", job(group="rwm").partner_cancelled().assigned("13:00"), BPC.resolved),
    # mocked_location
    row("mocked at a presence fact", job().report("10:00", mocked=True).ticket(), MOCKED.fires("10:00", "t1 report")),
    row("mocked 15 min before", job().report("09:45", mocked=True).ticket(), MOCKED.fires("10:00", "t1 report")),
    row("mocked more than 15 min before", job().report("09:45 -1us", mocked=True).ticket(), MOCKED.never),
    row("mocked 15 min after", unseen().report("10:15", mocked=True), MOCKED.fires("10:00", "t1 report")),
    row("mocked more than 15 min after", unseen().report("10:15 +1us", mocked=True), MOCKED.never),
    row("not mocked", on_site(), MOCKED.never),
    row("mocked by another partner", job().report("10:00", mocked=True, partner="p2").ticket(), MOCKED.never),
    row("mocked, whatever the accuracy", job().report("10:00", mocked=True, accuracy=9000).ticket(), MOCKED),
    row("mocked at the partner's cancellation", job().report("12:00", mocked=True).partner_cancelled(), MOCKED),
    row("mocked at the customer's cancellation", job().report("12:00", mocked=True).customer_cancelled(), MOCKED.never),
    row(
        "the earliest presence fact",
        job().report("09:50", mocked=True).ticket().ticket("10:01", "t2"),
        MOCKED.fires("10:00", "t1 report"),
    ),
    row(
        "of two presence facts at one time the first",
        job().report("10:00", mocked=True).ticket("10:00", "t2").ticket(),
        MOCKED.fires("10:00", "t1 report"),
    ),
    # impossible_travel: 150 km/h are 2,500 m in a minute
    row("too fast", travel("+60s", 9000), TRAVEL.fires("10:01:01", "report report2")),
    row("just too fast", travel("+60s", 2500.1, 0.01, 0.01), TRAVEL),
    row("just not too fast", travel("+60s", 2499.9, 0.01, 0.01), TRAVEL.never),
    row("too fast, accuracies deducted", travel("+60s", 2601, 50, 50), TRAVEL),
    row("not too fast, accuracies deducted", travel("+60s", 2599, 50, 50), TRAVEL.never),
    row("fast over a kilometre", travel("+11s", 1000.1, 0.01, 0.01), TRAVEL),
    row("fast over less than a kilometre", travel("+11s", 999.9, 0.01, 0.01), TRAVEL.never),
    row("fast over less than a kilometre, accuracies deducted", travel("+11s", 1100, 60, 60), TRAVEL.never),
    row("an inaccurate report", travel("+60s", 9000, 201), TRAVEL.never),
    row("to a report of unknown accuracy", travel("+60s", 9000, 10, 0), TRAVEL.never),
    row("from a report of unknown accuracy", travel("+60s", 9000, 0, 10), TRAVEL.never),
    row("a mocked report", travel("+60s", 9000, mocked=True), TRAVEL.never),
    # decision_flip
    row(
        "from one final outcome to another",
        on_site().genuine().not_genuine("12:00"),
        FLIP.fires("12:00", "t1 validated2"),
    ),
    row(
        "from a final outcome to a provisional one",
        on_site().not_genuine().validated("12:00"),
        FLIP.fires("12:00", "t1 validated2"),
    ),
    row(
        "from final to withdrawn",
        on_site().genuine().assigned("09:30", "p2"),
        FLIP.fires("11:00", "t1 validated image"),
    ),
    row(
        "from withdrawn to final",
        on_site().genuine().assigned("09:30", "p2").assigned("09:40"),
        FLIP.about(revision="4").fires("11:00", "t1 validated image"),
    ),
    row(
        "from withdrawn to provisional",
        on_site().assigned("09:30", "p2").assigned("09:40"),
        FLIP.about(revision="3").fires("10:00", "t1"),
    ),
    row("from a provisional outcome", on_site().not_genuine(), FLIP.never),
    row("from provisional to withdrawn", on_site().assigned("09:30", "p2"), FLIP.never),
    row("the same outcome", on_site().genuine().validated("12:00"), FLIP.never),
    row(
        "the same outcome, provisional again",
        on_site(reason="otp_refused").validated().ticket("11:30", "t2").validated("12:00", ticket="t2"),
        FLIP.never,
    ),
    row(
        "an offline decision, whoever the partner",
        proven().identified("13:00", "p2"),
        FLIP.about(subject_of="offline_service", partner_id=None, revision="4").fires("13:00", "o1 proof identified2"),
    ),
    row(
        "nobody's decision",
        Scenario().ticket().genuine().not_genuine("12:00"),
        FLIP.about(partner_id=None).but(city=None, category=None),
    ),
    # stuck_provisional
    row("provisional for 48 h", on_site(), STUCK.fires("10:00 +48h", "t1"), now="10:00 +48h"),
    row("provisional for less than 48 h", on_site(), STUCK.never, now="10:00 +48h -1us"),
    row("final", on_site().genuine(), STUCK.never, now="+30d"),
    row("final in the end", on_site().validated("+49h").image("+1h"), STUCK.resolved),
    row(
        "each decision by itself",
        on_site().customer_cancelled(),
        STUCK,
        STUCK.about(kind="paf").fires("12:00 +48h", "t1 cancelled"),
        now="12:00 +48h",
    ),
    row(
        "an offline decision is about no partner",
        complaint().identified(),
        STUCK.about(subject_of="offline_service", partner_id=None).fires("11:00 +48h", "o1 identified"),
        now="11:00 +48h",
    ),
    # labels
    row(
        "no booking: neither city nor category",
        Scenario().assigned().ticket(),
        STUCK.but(city=None, category=None),
        now="10:00 +49h",
    ),
    row("nobody assigned: no partner", Scenario().booked().ticket(), STUCK.about(partner_id=None), now="10:00 +49h"),
    row("the city as it is compared", on_site(city=" BENGALURU"), OVERDUE.but(city="bangalore"), now="15:00"),
    row("the category", on_site(category="ro"), OVERDUE.but(category="ro"), now="15:00"),
]


@pytest.mark.parametrize("row", TABLE)
def test_alerts(row: Row) -> None:
    assert row.found() == row.stated()
