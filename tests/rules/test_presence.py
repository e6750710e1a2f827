"""Presence: both sides of each bound of distance, accuracy and time, which report counts, and which moments matter."""

from __future__ import annotations

import copy

import pytest

from schemas.policy.model import Policy, Presence
from tests.rules.table import begun, dropped, proven
from tests.scenario import POLICY, Scenario, destination, names

ON = ("assigned", "booked", "report", "t1")


def presence_of(case: Scenario, now: str | None = None, policy: Policy = POLICY) -> tuple[str, tuple[str, ...]]:
    """Return an engagement's presence and what it is cited by, as a genuine claim that nobody marked tells it.

    The case gets a verdict and an image of an agent, neither of which is a moment, and the platform's cancellation.
    """
    case.add("10:30", "ticket.media_added", "picture", ticket_id="t1", added_by="agent", url="https://media.example/0")
    case.validated("18:00").add(
        "18:10", "cancellation.recorded", "end", by="platform", reason="other", marked_against="none"
    )
    ruling = case.verdict(now, policy).ruling("paf")
    assert ruling is not None
    told = tuple(name for name in ruling.evidence if name not in {"picture", "validated", "end"})
    seen = {
        "waived": "on_site",
        "under_review presence_conflict": "off_site",
        "under_review presence_unknown": "unknown",
    }
    return seen[" ".join((ruling.outcome, *ruling.reasons))], told


DISTANCES = [
    (0.0, "on_site"),
    (499.9, "on_site"),
    (499.999, "on_site"),
    (500.001, "off_site"),
    (500.1, "off_site"),
    (20_000_000.0, "off_site"),
]


@pytest.mark.parametrize(("metres", "state"), DISTANCES)
@pytest.mark.parametrize("bearing", [0.0, 45.0, 180.0, 271.0])
def test_the_site_reaches_500_m(metres: float, state: str, bearing: float) -> None:
    case = begun().report("10:00", metres, bearing=bearing).ticket("10:00")
    assert presence_of(case) == (state, ON)


@pytest.mark.parametrize(("metres", "state"), [(499.9, "on_site"), (500.1, "off_site")])
@pytest.mark.parametrize(
    "site", [(0.0, 180.0), (0.0, -180.0), (90.0, 0.0), (-90.0, 10.0), (66.5, 179.9999), (-33.9, -0.0001)]
)
def test_the_site_may_lie_anywhere(site: tuple[float, float], metres: float, state: str) -> None:
    lat, lon = destination(metres, 60.0, site)
    case = begun(site=site)
    case.add("10:00", "location.reported", "report", "p1", lat=lat, lon=lon, accuracy_m=5)
    assert presence_of(case.ticket("10:00"))[0] == state


def test_the_bound_of_distance_is_inclusive() -> None:
    policy = Policy(hash="h", presence=Presence(radius_m=0.0))
    case = begun().add("10:00", "location.reported", "report", "p1", lat=28.6139, lon=77.2090, accuracy_m=10)
    assert presence_of(case.ticket("10:00"), policy=policy) == ("on_site", ON)


@pytest.mark.parametrize(
    ("accuracy", "state"),
    [(0.0, "unknown"), (0.001, "on_site"), (200.0, "on_site"), (200.001, "unknown"), (5000.0, "unknown")],
)
def test_a_report_must_be_accurate_to_200_m(accuracy: float, state: str) -> None:
    assert presence_of(begun().report("10:00", accuracy=accuracy).ticket("10:00"))[0] == state


TIMES = [
    ("09:45 -1us", "unknown"),
    ("09:45", "on_site"),
    ("10:00", "on_site"),
    ("10:05", "on_site"),
    ("10:05 +1us", "unknown"),
]


@pytest.mark.parametrize(("at", "state"), TIMES)
def test_a_report_counts_from_15_minutes_before_to_5_minutes_after(at: str, state: str) -> None:
    assert presence_of(begun().report(at).ticket("10:00"))[0] == state


def test_a_mocked_report_does_not_count() -> None:
    assert presence_of(begun().report("10:00", mocked=True).ticket("10:00")) == ("unknown", ("t1",))


def test_a_report_of_another_partner_does_not_count() -> None:
    assert presence_of(begun().report("10:00", partner="p2").ticket("10:00"))[0] == "unknown"


def test_without_a_booking_nobody_is_anywhere() -> None:
    outcome = Scenario().assigned().report("10:00").ticket("10:00").call("10:30", "refuses_visit").verdict()
    assert outcome.state("warn_cancellation_counts") == "open"  # it would not be, on site


def test_the_latest_booking_gives_the_site() -> None:
    case = begun().report("10:00").ticket("10:00").booked("12:00", site=destination(2000))
    assert presence_of(case) == ("off_site", ("assigned", "booked2", "report", "t1"))


CLOSEST = [
    ("the closest in time counts", [("09:55", 2000), ("10:04", 100)], "on_site", "report2"),
    ("whatever the distance", [("09:50", 100), ("09:56", 2000)], "off_site", "report2"),
    ("a tie goes to the earlier", [("10:03", 2000), ("09:57", 100)], "on_site", "report2"),
    ("the closest to the microsecond", [("09:57 +1us", 100), ("10:03", 2000)], "on_site", "report"),
]


@pytest.mark.parametrize(("reports", "state", "name"), [c[1:] for c in CLOSEST], ids=[c[0] for c in CLOSEST])
def test_the_report_closest_in_time_counts(reports: list[tuple[str, float]], state: str, name: str) -> None:
    case = begun()
    for at, metres in reports:
        case.report(at, metres)
    found, told = presence_of(case.ticket("10:00"))
    assert (found, name in told) == (state, True)


def test_an_invalid_report_closer_in_time_is_passed_over() -> None:
    case = begun().report("09:50").report("09:59", 2000, accuracy=300).report("10:00", 2000, mocked=True)
    assert presence_of(case.ticket("10:00")) == ("on_site", ON)


# slots of ten seconds: 09:59:50 to 10:00:00, the last not included
THINNED = [
    ("the most accurate of a slot", [("09:59:59", 2000, 20), ("09:59:50", 100, 10)], "report2"),
    ("of equal accuracy the earlier", [("09:59:59", 2000, 10), ("09:59:50", 100, 10)], "report2"),
    ("at one time the smaller id", [("09:59:55", 100, 10), ("09:59:55", 2000, 10)], "report"),
    ("the next slot is another", [("09:59:59.999999", 2000, 5), ("10:00", 100, 150)], "report2"),
    ("the slot before is another", [("09:59:50", 100, 150), ("09:59:49.999999", 2000, 5)], "report"),
]


@pytest.mark.parametrize(("reports", "name"), [c[1:] for c in THINNED], ids=[c[0] for c in THINNED])
def test_of_one_slot_the_most_accurate_report_counts(reports: list[tuple[str, float, float]], name: str) -> None:
    case = begun()
    for at, metres, accuracy in reports:
        case.report(at, metres, accuracy=accuracy)
    assert presence_of(case.ticket("10:00")) == ("on_site", tuple(sorted(("assigned", "booked", name, "t1"))))


def test_mocked_and_other_reports_are_thinned_apart() -> None:
    case = begun().report("09:59:55", 100, accuracy=50).report("09:59:56", 2000, accuracy=1, mocked=True)
    assert presence_of(case.ticket("10:00")) == ("on_site", ON)


def test_an_inaccurate_report_does_not_displace_a_valid_one_of_its_slot() -> None:
    case = begun().report("09:59:55", 100, accuracy=200).report("09:59:59", 2000, accuracy=201)
    assert presence_of(case.ticket("10:00")) == ("on_site", ON)


def test_a_report_of_unknown_accuracy_does_not_displace_a_valid_one_of_its_slot() -> None:
    case = begun().report("10:00:05", 2000, accuracy=0).report("10:00:06", 100, accuracy=8)
    assert presence_of(case.ticket("10:00")) == ("on_site", tuple(sorted(("assigned", "booked", "report2", "t1"))))


def test_a_fix_at_the_origin_is_none_even_where_the_site_is_there() -> None:
    case = begun(site=(0.0, 0.0)).add("10:00", "location.reported", "zero", "p1", lat=0, lon=0.0, accuracy_m=5)
    assert presence_of(case.ticket("10:00"))[0] == "unknown"
    case = begun(site=(0.0, 0.0)).add("10:00", "location.reported", "report", "p1", lat=0, lon=0.0001, accuracy_m=5)
    assert presence_of(case.ticket("10:00"))[0] == "on_site"


def test_a_report_that_comes_twice_changes_nothing() -> None:
    case = begun().report("10:00").ticket("10:00")
    case.reports *= 2
    assert presence_of(case) == ("on_site", ON)


MOMENTS = [
    ("an image of the partner", begun().ticket("09:30").image("10:00"), "on_site"),
    ("an image of the customer", begun().ticket("09:30").image("10:00", by="customer"), "unknown"),
    ("the creation by the customer", begun().ticket("10:00", by="customer"), "on_site"),
    ("a later ticket", begun().ticket("09:30").ticket("10:00", "t2"), "on_site"),
    ("a rating ticket", begun().ticket("09:30").ticket("10:00", "r1", kind="rating_reversal"), "unknown"),
    (
        "an image on a rating ticket",
        begun().ticket("09:30").ticket("09:40", "r1", kind="rating_reversal").image("10:00", ticket="r1"),
        "unknown",
    ),
    ("the partner's cancellation", begun().ticket("09:30").cancelled("10:00", marked="none"), "on_site"),
    ("the customer's cancellation", dropped(begun().ticket("09:30"), "10:00"), "unknown"),
    ("a call", begun().ticket("09:30").call("10:00", "will_visit"), "unknown"),
]


@pytest.mark.parametrize(("case", "state"), [m[1:] for m in MOMENTS], ids=[m[0] for m in MOMENTS])
def test_only_some_moments_matter(case: Scenario, state: str) -> None:
    assert presence_of(copy.deepcopy(case).report("10:00"))[0] == state


def test_on_site_at_any_moment_is_on_site() -> None:
    case = begun().report("10:00", 2000).ticket("10:00").report("11:00").image("11:00")
    found, told = presence_of(case)
    assert (found, told) == ("on_site", ("assigned", "booked", "image", "report2", "t1"))


def test_off_site_at_any_moment_is_off_site_if_never_on_site() -> None:
    case = begun().ticket("10:00").report("11:00", 2000).image("11:00")
    assert presence_of(case)[0] == "off_site"


def test_the_assignment_at_the_moment_is_cited() -> None:
    case = begun().assigned("09:50").report("10:00").ticket("10:00").assigned("11:00")
    assert presence_of(case) == ("on_site", ("assigned2", "booked", "report", "t1"))


def test_the_earliest_assignment_is_cited_before_any() -> None:
    case = Scenario().booked().report("10:00").ticket("10:00").assigned("12:00").assigned("11:00")
    assert presence_of(case) == ("on_site", ("assigned2", "booked", "report", "t1"))


def test_a_partner_who_was_only_named_has_no_assignment_to_cite() -> None:
    case = Scenario().booked().assigned(partner="p2").report("10:00").ticket("10:00", partner_id="p1")
    case.image("10:30", by="agent").validated("18:00")
    ruling = case.cancelled("18:10", "platform", marked="none", partner="p1").verdict().ruling("paf")
    assert ruling is not None
    assert ruling.evidence == ("booked", "cancelled", "image", "report", "t1", "validated")


def test_a_report_that_comes_later_changes_what_was_decided() -> None:
    case = dropped(proven(begun().ticket("10:00")))
    before = case.verdict().ruling("paf")
    after = case.report("10:00").verdict("12:00").ruling("paf")
    assert before is not None
    assert after is not None
    assert (before.outcome, after.outcome) == ("under_review", "waived")


def test_names_are_told_without_their_source() -> None:
    assert names(("/s#b", "/s#a")) == ("a", "b")
