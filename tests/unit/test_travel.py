"""Impossible travel: both sides of every limit, in any order of arrival, and one alert each."""

from __future__ import annotations

import pytest

from agents.presence.geo import distance_m
from agents.presence.track import Track
from schemas.events import Event, LocationReported, Site
from schemas.policy.model import HOUR, SECOND, Alert, Policy, Presence
from tests.tracks import NOON, POLICY, SITE, report, track_of

Report = Event[LocationReported]

# 150 km/h is 41.67 m/s: 2,520 m, less both accuracies of 10 m, take 60 s at that speed
TRAVEL = [
    ([report(0), report(60 * SECOND, 2519.0)], []),
    ([report(0), report(60 * SECOND, 2521.0)], ["2521"]),
    ([report(0), report(10 * SECOND, 1019.0)], []),
    ([report(0), report(10 * SECOND, 1021.0)], ["1021"]),
    ([report(0), report(10 * SECOND, 1500.0, accuracy=200.0)], ["1500"]),
    ([report(0), report(10 * SECOND, 1500.0, accuracy=201.0)], []),
    ([report(0), report(10 * SECOND, 1500.0, mocked=True)], []),
    ([report(0), report(10 * SECOND, 5e3), report(20 * SECOND, 1e4)], ["5000", "10000"]),
    ([report(0), report(10 * SECOND, 5e3, accuracy=300.0), report(20 * SECOND, 1e4)], ["10000"]),
    ([report(0), report(2 * HOUR, 9e4)], []),
    ([report(0), report(10 * SECOND, 5e3, accuracy=0.0)], []),
    ([report(0), report(10 * SECOND, 5e3, accuracy=0.0), report(20 * SECOND, 1e4)], ["10000"]),
    ([report(0), report(10 * SECOND, name="null", place=Site(0.0, -0.0))], []),
    ([report(0), report(10 * SECOND, name="null", place=Site(0.0, 0.0)), report(20 * SECOND, 1e4)], ["10000"]),
]


@pytest.mark.parametrize(("reports", "expected"), TRAVEL)
def test_travel_beyond_both_limits_raises_an_alert_in_any_order_of_arrival(
    reports: list[Report], expected: list[str]
) -> None:
    metres = {f"/app#{each.id}": f"{(each.data.lat - SITE.lat) * 111_195.08:.0f}" for each in reports}
    for order in (reports, reports[::-1]):
        found = track_of(*order).new_travel_alerts()
        assert [metres[each.labels["report"]] for each in found] == expected


@pytest.mark.parametrize(("beyond", "found"), [(0.0, 1), (0.001, 0)])
def test_travel_of_exactly_the_minimum_distance_counts(beyond: float, found: int) -> None:
    reports = [report(0), report(10 * SECOND, 5000.0)]
    policy = Policy(hash="s", alert=Alert(travel_distance_m=_travelled_m(*reports) + beyond))
    assert len(track_of(*reports, policy=policy).new_travel_alerts()) == found


@pytest.mark.parametrize(("below", "found"), [(0.0, 0), (0.001, 1)])
def test_travel_at_exactly_the_maximum_speed_does_not_count(below: float, found: int) -> None:
    reports = [report(0), report(3_600_000, 5000.0)]  # 3.6 s apart, so the metres are also the km/h
    presence, alert = Presence(slot=SECOND), Alert(travel_speed_kmh=_travelled_m(*reports) - below)
    policy = Policy(hash="s", presence=presence, alert=alert)
    assert len(track_of(*reports, policy=policy).new_travel_alerts()) == found


@pytest.mark.parametrize(("beyond", "found"), [(0, 1), (1, 0)])
def test_travel_that_lasts_exactly_the_retention_counts(beyond: int, found: int) -> None:
    policy = Policy(hash="s", presence=Presence(retention=HOUR))
    reports = [report(0), report(HOUR + beyond, 500e3)]
    for order in (reports, reports[::-1]):
        assert len(track_of(*order, policy=policy).new_travel_alerts()) == found


def _travelled_m(a: Report, b: Report) -> float:
    points = (Site(each.data.lat, each.data.lon) for each in (a, b))
    return distance_m(*points) - a.data.accuracy_m - b.data.accuracy_m


def test_the_alert_is_about_the_later_report() -> None:
    (alert,) = track_of(report(0, name="a"), report(10 * SECOND, 5000.0, name="b")).new_travel_alerts()
    assert (alert.name, alert.severity, alert.state) == ("impossible_travel", "warning", "firing")
    assert alert.key == ("partner_id", "report")
    assert alert.labels == {"partner_id": "p1", "report": "/app#b"}
    assert alert.evidence == ("/app#a", "/app#b")
    assert (alert.starts_at, alert.ends_at) == (NOON + 10 * SECOND, NOON + 10 * SECOND + 24 * HOUR)


def test_each_travel_raises_one_alert() -> None:
    track = track_of(report(0), report(20 * SECOND, 5000.0))
    assert len(track.new_travel_alerts()) == 1
    assert track.new_travel_alerts() == ()
    track.add_report(report(10 * SECOND), POLICY)
    assert track.new_travel_alerts() == ()


def test_reports_in_between_that_arrive_first_prevent_an_alert() -> None:
    far = [report(0), report(100 * SECOND, 5000.0)]
    between = [report(step * 10 * SECOND, step * 500.0) for step in range(1, 10)]
    assert len(track_of(*far).new_travel_alerts()) == 1
    assert track_of(*far, *between).new_travel_alerts() == ()  # no two successive reports are a kilometre apart


def test_travel_is_judged_by_the_policy_of_the_later_report() -> None:
    strict = Policy(hash="s", alert=Alert(travel_speed_kmh=1.0, travel_distance_m=10.0))
    for order in ([0, 1], [1, 0]):
        track = Track("p1")
        for which in order:
            track.add_report(report(which * HOUR, which * 5000.0), strict if which else POLICY)
        assert len(track.new_travel_alerts()) == 1
        track = Track("p1")
        for which in order:
            track.add_report(report(which * HOUR, which * 5000.0), POLICY if which else strict)
        assert track.new_travel_alerts() == ()
