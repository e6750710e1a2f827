"""Alerts of single cases and partners: when each is found, since when, about what, and both sides of bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.case.evaluation import AlertCondition
from agents.presence.track import Track
from agents.sops.decision_alerts import decision_flip
from schemas.outputs import Status
from schemas.policy.model import HOUR
from tests.rules.table import away, begun, dropped, here, offices, proven, quit_job, refuted, unseen
from tests.scenario import POLICY, Scenario, instant

LABELS = {"case_id": "job-1", "city": "delhi", "category": "ac"}
STAYED = "stayed_after_cancellation"
OVERDUE = "park_overdue"
OFF_SITE = "validated_off_site"
OUTSIDE = "ticket_outside_geofence"
BPC = "bpc_only_cancellation"
MOCKED = "mocked_location"
STUCK = "stuck_provisional"


def only(case: Scenario, name: str, now: str | None = None) -> AlertCondition:
    """Return the one finding of a name."""
    found = case.verdict(now).alerts(name)
    assert len(found) == 1, found
    return found[0]


def labels(finding: AlertCondition) -> dict[str, str]:
    """Return an alert's labels, the city in lower case (it is compared so)."""
    told = dict(finding.alert.labels)
    if "city" in told:
        told["city"] = told["city"].lower()
    return told


def met(at: str = "12:00", by: str = "customer") -> Scenario:
    """The partner is seen on site as the job is cancelled."""
    return begun().report(at).cancelled(at, by, reason="other", marked="none")


def lingering(*reports: tuple[str, float]) -> Scenario:
    """The platform cancels at 12:00 with the partner on site, who is seen again at other times."""
    case = met(by="platform")
    for at, metres in reports:
        case.report(at, metres)
    return case


FOUND: list[tuple[str, Scenario, str, str | None, bool]] = [
    # name, case, alert, now, is it found
    ("not before the window has passed", met(), STAYED, "12:05 -1us", False),
    ("the customer cancelled, partner on site", met(), STAYED, "12:05", True),
    ("the platform cancelled, partner on site", met(by="platform"), STAYED, "20:00", False),
    ("the partner cancelled on site", met(by="partner"), STAYED, "20:00", False),
    ("the customer cancelled, partner off site", dropped(begun().report("12:00", 2000)), STAYED, "20:00", False),
    ("the customer cancelled, partner unseen", dropped(begun()), STAYED, "20:00", False),
    ("stayed 30 min", lingering(("12:30", 100)), STAYED, "20:00", True),
    ("stayed almost 30 min", lingering(("12:30 -1us", 100)), STAYED, "20:00", False),
    ("seen again after 2 h", lingering(("14:00", 100)), STAYED, "20:00", True),
    ("seen again after more than 2 h", lingering(("14:00 +1us", 100)), STAYED, "20:00", False),
    ("away in between", lingering(("12:20", 2000), ("12:40", 100)), STAYED, "20:00", False),
    ("away afterwards", lingering(("12:40", 100), ("12:50", 2000)), STAYED, "20:00", True),
    ("on site in between", lingering(("12:10", 100), ("12:20", 499), ("12:40", 100)), STAYED, "20:00", True),
    ("seen off site 40 min later", lingering(("12:40", 2000)), STAYED, "20:00", False),
    ("a mocked report is no stay", met(by="platform").report("12:40", mocked=True), STAYED, "20:00", False),
    ("an inaccurate one neither", met(by="platform").report("12:40", accuracy=201), STAYED, "20:00", False),
    (
        "an inaccurate one off site does not come between",
        met(by="platform").report("12:20", 2000, accuracy=201).report("12:40"),
        STAYED,
        "20:00",
        True,
    ),
    (
        "not on site at the cancellation",
        begun().cancelled("12:00", "platform", marked="none").report("12:40"),
        STAYED,
        "20:00",
        False,
    ),
    ("due for less than an hour", here(), OVERDUE, "14:00 -1us", False),
    ("due for an hour", here(), OVERDUE, "14:00", True),
    ("confirmed", here().call("13:30", "resolution_confirmed"), OVERDUE, "15:00", False),
    ("closed", here().ticket_closed("13:30"), OVERDUE, "15:00", False),
    ("route manual", here(city="Jaipur"), OVERDUE, "15:00", False),
    ("off site", away(), OVERDUE, "15:00", False),
    ("validated off site", away().validated("11:00"), OFF_SITE, None, True),
    ("refuted off site", refuted(away()), OFF_SITE, None, True),
    ("off site, not validated", away(), OFF_SITE, None, False),
    ("validated on site", proven(here()), OFF_SITE, None, False),
    ("validated unseen", proven(unseen()), OFF_SITE, None, False),
    ("validated off site, commercial", proven(away(**offices())), OFF_SITE, None, False),
    ("ticket off site, too early", away(), OUTSIDE, "10:05 -1us", False),
    ("ticket off site", away(), OUTSIDE, "10:05", True),
    ("ticket on site", here(), OUTSIDE, "11:00", False),
    ("ticket unseen", unseen(), OUTSIDE, "11:00", False),
    ("only the image off site", here().report("11:00", 2000).image("11:00"), OUTSIDE, "12:00", False),
    ("ticket off site, image on site", away().report("11:00").image("11:00"), OUTSIDE, "12:00", True),
    (
        "rating ticket off site",
        begun().report("10:00", 2000).ticket("10:00", "r1", kind="rating_reversal"),
        OUTSIDE,
        "11:00",
        False,
    ),
    ("P1", quit_job(begun(group="rwm")), BPC, None, True),
    ("no P1", quit_job(begun()), BPC, None, False),
    ("mocked 15 min before", begun().report("09:45", mocked=True).ticket("10:00"), MOCKED, "12:00", True),
    ("mocked earlier", begun().report("09:45 -1us", mocked=True).ticket("10:00"), MOCKED, "12:00", False),
    ("mocked 15 min after", begun().report("10:15", mocked=True).ticket("10:00"), MOCKED, "12:00", True),
    ("mocked later", begun().report("10:15 +1us", mocked=True).ticket("10:00"), MOCKED, "12:00", False),
    ("not mocked", here(), MOCKED, "12:00", False),
    ("mocked by another", begun().report("10:00", mocked=True, partner="p2").ticket("10:00"), MOCKED, "12:00", False),
    (
        "mocked, whatever the accuracy",
        begun().report("10:00", mocked=True, accuracy=9000).ticket("10:00"),
        MOCKED,
        "12:00",
        True,
    ),
    (
        "mocked at the partner's cancellation",
        quit_job(begun().report("12:00", mocked=True)),
        MOCKED,
        "13:00",
        True,
    ),
    (
        "mocked at a moment that does not matter",
        dropped(begun().report("12:00", mocked=True)),
        MOCKED,
        "13:00",
        False,
    ),
    ("provisional for less than 48 h", here(), STUCK, "10:00 +48h -1us", False),
    ("provisional for 48 h", here(), STUCK, "10:00 +48h", True),
    ("final", proven(here()), STUCK, "10:00 +30d", False),
]


@pytest.mark.parametrize(
    ("case", "name", "now", "found"), [f[1:] for f in FOUND], ids=[f"{f[2]}: {f[0]}" for f in FOUND]
)
def test_an_alert_is_found_when_its_condition_holds(case: Scenario, name: str, now: str | None, found: bool) -> None:
    assert bool(case.verdict(now).alerts(name)) == found


TOLD: list[tuple[Scenario, str, str, dict[str, Any]]] = [
    (
        met(),
        STAYED,
        "20:00",
        {"severity": "warning", "starts_at": "12:00", "key": ("case_id", "partner_id"), "more": {"partner_id": "p1"}},
    ),
    (
        lingering(("12:10", 100), ("12:40", 100), ("12:50", 100)),
        STAYED,
        "20:00",
        {"severity": "warning", "starts_at": "12:40", "key": ("case_id", "partner_id"), "more": {"partner_id": "p1"}},
    ),
    (
        here(),
        OVERDUE,
        "20:00",
        {"severity": "warning", "starts_at": "14:00", "key": ("case_id", "ticket_id"), "more": {"ticket_id": "t1"}},
    ),
    (
        away().validated("11:00"),
        OFF_SITE,
        "20:00",
        {"severity": "critical", "starts_at": "11:00", "key": ("case_id", "partner_id"), "more": {"partner_id": "p1"}},
    ),
    (
        away(),
        OUTSIDE,
        "20:00",
        {"severity": "info", "starts_at": "10:00", "key": ("case_id", "ticket_id"), "more": {"ticket_id": "t1"}},
    ),
    (
        quit_job(begun(group="rwm")),
        BPC,
        "20:00",
        {"severity": "warning", "starts_at": "12:00", "key": ("case_id", "partner_id"), "more": {"partner_id": "p1"}},
    ),
    (
        begun().report("10:10", mocked=True).ticket("10:00"),
        MOCKED,
        "20:00",
        {"severity": "warning", "starts_at": "10:00", "key": ("case_id", "partner_id"), "more": {"partner_id": "p1"}},
    ),
    (
        here(),
        STUCK,
        "10:00 +50h",
        {
            "severity": "info",
            "starts_at": "10:00 +48h",
            "key": ("case_id", "kind", "partner_id", "subject_of"),
            "more": {"partner_id": "p1", "kind": "tagging", "subject_of": "out_of_scope"},
        },
    ),
]


@pytest.mark.parametrize(("case", "name", "now", "told"), TOLD)
def test_an_alert_says_what_it_is_about(case: Scenario, name: str, now: str, told: dict[str, Any]) -> None:
    finding = only(case, name, now)
    alert = finding.alert
    assert alert.severity == told["severity"]
    assert alert.starts_at == instant(told["starts_at"])
    assert tuple(sorted(alert.key)) == told["key"]
    assert labels(finding) == LABELS | told["more"]


def test_moments_end_and_conditions_do_not() -> None:
    seen = {}
    for case, name, now, _ in TOLD:
        alert = only(case, name, now).alert
        seen[name] = None if alert.ends_at is None else alert.ends_at - alert.starts_at
    assert seen == {
        STAYED: 24 * HOUR,
        OVERDUE: None,
        OFF_SITE: None,
        OUTSIDE: 24 * HOUR,
        BPC: None,
        MOCKED: 24 * HOUR,
        STUCK: None,
    }


def test_moments_are_told_from_conditions() -> None:
    presence_queries = {name for case, name, now, _ in TOLD if only(case, name, now).is_moment}
    assert presence_queries == {STAYED, OUTSIDE, MOCKED}


def test_labels_that_are_null_are_left_out() -> None:
    case = Scenario().ticket("10:00")
    assert labels(only(case, STUCK, "10:00 +50h")) == {
        "case_id": "job-1",
        "kind": "tagging",
        "subject_of": "out_of_scope",
    }


def test_the_city_is_labelled_as_it_is_compared() -> None:
    one, other = here(city=" BENGALURU"), here(city="Bangalore")
    assert labels(only(one, OVERDUE, "20:00"))["city"] == labels(only(other, OVERDUE, "20:00"))["city"]


def test_every_ticket_outside_has_an_alert_of_its_own() -> None:
    found = away().report("11:00", 3000).ticket("11:00", "t2").verdict("12:00").alerts(OUTSIDE)
    assert {f.alert.labels["ticket_id"] for f in found} == {"t1", "t2"}


def test_the_end_of_the_window_after_a_cancellation_is_announced_as_a_deadline() -> None:
    assert met().verdict("12:00").verdict.next_deadline == instant("12:05")


FLIPS = [
    ("from one outcome to another", ("final", "waived"), ("final", "upheld"), True),
    ("to a provisional one", ("final", "waived"), ("provisional", "under_review"), True),
    ("to withdrawn", ("final", "waived"), ("final", "withdrawn"), True),
    ("from withdrawn", ("final", "withdrawn"), ("final", "waived"), True),
    ("from withdrawn to a provisional one", ("final", "withdrawn"), ("provisional", "under_review"), True),
    ("the same outcome", ("final", "upheld"), ("final", "upheld"), False),
    ("the same outcome, provisional again", ("final", "upheld"), ("provisional", "upheld"), False),
    ("from a provisional one", ("provisional", "under_review"), ("final", "waived"), False),
    ("a provisional one withdrawn", ("provisional", "under_review"), ("final", "withdrawn"), False),
]


@pytest.mark.parametrize(("before", "after", "flips"), [f[1:] for f in FLIPS], ids=[f[0] for f in FLIPS])
def test_a_flip_is_a_final_decision_whose_outcome_changed(
    before: tuple[Status, str], after: tuple[Status, str], flips: bool
) -> None:
    body = dropped(proven(here())).verdict().body("paf")
    assert body is not None
    old, new = (msgspec.structs.replace(body, status=status, outcome=outcome) for status, outcome in (before, after))
    finding = decision_flip(old, new, 3, {"city": "delhi", "category": "ac"}, POLICY)
    assert (finding is not None) == flips
    if finding is not None:
        alert = finding.alert
        assert (alert.name, alert.severity, finding.is_moment) == ("decision_flip", "warning", True)
        assert (alert.starts_at, alert.ends_at) == (instant("12:00"), instant("12:00 +24h"))
        assert alert.labels == LABELS | {
            "partner_id": "p1",
            "kind": "paf",
            "subject_of": "out_of_scope",
            "revision": "3",
        }
        assert set(alert.key) == {"case_id", "partner_id", "kind", "subject_of", "revision"}


# reports of one partner: how long after the first and how far, the accuracies; 150 km/h are 2,500 m in a minute
TRAVELS = [
    ("too fast", "+60s", 2502.0, 0.5, 0.5, True),
    ("just not too fast", "+60s", 2499.9, 0.01, 0.01, False),
    ("just too fast", "+60s", 2500.1, 0.01, 0.01, True),
    ("not too fast less the accuracies", "+60s", 2599.0, 50.0, 50.0, False),
    ("too fast less the accuracies", "+60s", 2601.0, 50.0, 50.0, True),
    ("fast but near", "+11s", 999.9, 0.01, 0.01, False),
    ("fast and a kilometre", "+11s", 1000.1, 0.01, 0.01, True),
    ("a kilometre less the accuracies", "+11s", 1100.0, 60.0, 60.0, False),
    ("inaccurate", "+60s", 9000.0, 201.0, 0.01, False),
    ("of unknown accuracy", "+60s", 9000.0, 10.0, 0.0, False),
    ("from unknown accuracy", "+60s", 9000.0, 0.0, 10.0, False),
]


@pytest.mark.parametrize(
    ("after", "metres", "first", "second", "found"), [t[1:] for t in TRAVELS], ids=[t[0] for t in TRAVELS]
)
def test_travel_is_impossible_above_150_km_h(
    after: str, metres: float, first: float, second: float, found: bool
) -> None:
    case = Scenario().report("10:00:01", 0.0, accuracy=first).report(after, metres, accuracy=second)
    assert bool(travels(case)) == found


def travels(case: Scenario) -> list[AlertCondition]:
    """Return what a track says of the case's reports."""
    track = Track("p1")
    for report in case.reports:
        track.add_report(report, POLICY)  # type: ignore[arg-type]
    return list(track.new_travel_alerts())


def test_impossible_travel_is_about_the_later_report() -> None:
    (finding,) = travels(Scenario().report("10:00", 0.0).report("+60s", 9000.0))
    alert = finding.alert
    assert (alert.name, alert.severity, finding.is_moment) == ("impossible_travel", "warning", True)
    assert alert.labels == {"partner_id": "p1", "report": "/s#report2"}
    assert (alert.starts_at, alert.ends_at) == (instant("10:01"), instant("10:01 +24h"))


def test_a_mocked_report_is_no_travel() -> None:
    assert not travels(Scenario().report("10:00", 0.0).report("+60s", 9000.0, mocked=True))
