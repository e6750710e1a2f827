"""What each single-case alert says: key, labels, evidence, start and end; and when it is looked at next."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agents.case.view import build_case_view
from agents.sop.alerts import decision_flip, place_labels
from agents.verdict import AlertCondition
from schemas.events import JobBooked
from schemas.outputs import WITHDRAWN, DecisionBody, Status, SubjectOf
from schemas.policy.model import HOUR, Alert, Policy
from tests.scenario import POLICY, Scenario, instant, names

PLACE = {"city": "bangalore", "category": "ac"}


def begun() -> Scenario:
    return Scenario().booked("08:00", city=" Bengaluru").assigned("09:00")


def away(kind: str = "residential") -> Scenario:
    """The partner opens a ticket two kilometres off, and it is validated."""
    case = Scenario().booked("08:00", city=" Bengaluru", premises=kind).assigned("09:00").report("10:00", 2000)
    return case.ticket("10:00").validated("10:30")


@dataclass(frozen=True)
class Said:
    """An alert as a table row has it: severity, kind, key members without the case, evidence by name, start."""

    severity: str
    is_moment: bool
    key: dict[str, str]
    evidence: str
    starts_at: str


TABLE: list[tuple[str, str, Scenario, str, Said]] = [
    (
        "customer cancels with the partner there",
        "stayed_after_cancellation",
        begun().report("11:58").cancelled("12:00", "customer", marked="none"),
        "12:05",
        Said("warning", True, {"partner_id": "p1"}, "booked assigned report cancelled", "12:00"),
    ),
    (
        "partner still there later",
        "stayed_after_cancellation",
        begun().report("11:58").cancelled("12:00", "platform", marked="none").report("12:30"),
        "12:30",
        Said("warning", True, {"partner_id": "p1"}, "booked assigned report report2 cancelled", "12:30"),
    ),
    (
        "the first of two stays counts",
        "stayed_after_cancellation",
        begun().report("11:58").cancelled("12:00", "platform").report("12:40").cancelled("12:41", "customer"),
        "12:46",
        Said("warning", True, {"partner_id": "p1"}, "booked assigned report report2 cancelled", "12:40"),
    ),
    (
        "parked for too long",
        "park_overdue",
        begun().ticket("10:00"),
        "14:00",
        Said("warning", False, {"ticket_id": "t1"}, "t1 booked", "14:00"),
    ),
    (
        "parked for too long before the booking was corrected",
        "park_overdue",
        begun().ticket("10:00").booked("15:00", city="Pune"),
        "15:00",
        Said("warning", False, {"ticket_id": "t1"}, "t1 booked2", "15:00"),
    ),
    (
        "validated though off site",
        "validated_off_site",
        away(),
        "10:30",
        Said("critical", False, {"partner_id": "p1"}, "booked assigned report t1 validated", "10:30"),
    ),
    (
        "ticket away from the site",
        "ticket_outside_geofence",
        away(),
        "10:30",
        Said("info", True, {"ticket_id": "t1"}, "booked assigned report t1", "10:00"),
    ),
    (
        "cancelled where only BPC is allowed",
        "bpc_only_cancellation",
        Scenario().booked(city="Mumbai").assigned(group="rwm").ticket("10:00").cancelled("11:00"),
        "11:00",
        Said("warning", False, {"partner_id": "p1"}, "booked assigned cancelled", "11:00"),
    ),
    (
        "location made up",
        "mocked_location",
        begun().report("09:50", mocked=True).ticket("10:00").ticket("10:01", "t2"),
        "10:01",
        Said("warning", True, {"partner_id": "p1"}, "report t1", "10:00"),
    ),
    (
        "nothing settled for two days",
        "stuck_provisional",
        begun().ticket("10:00"),
        "10:00 +48h",
        Said(
            "info",
            False,
            {"kind": "tagging", "subject_of": "out_of_scope", "partner_id": "p1"},
            "t1",
            "10:00 +48h",
        ),
    ),
]


@pytest.mark.parametrize(("name", "case", "now", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_alert_says_what_its_row_says(name: str, case: Scenario, now: str, said: Said) -> None:
    (finding,) = case.verdict(now).alerts(name)
    alert, place = (
        finding.alert,
        PLACE if "Bengaluru" in _city(case) else {"city": _city(case).lower(), "category": "ac"},
    )
    assert (alert.severity, finding.is_moment, alert.state) == (said.severity, said.is_moment, "firing")
    assert alert.labels == {"case_id": "job-1", **said.key, **place}
    assert set(alert.key) == {"case_id", *said.key}
    assert names(alert.evidence) == tuple(sorted(said.evidence.split()))
    assert alert.starts_at == instant(said.starts_at)
    assert alert.ends_at == (alert.starts_at + 24 * HOUR if said.is_moment else None)


def _city(case: Scenario) -> str:
    return [fact.data.city for fact in case.facts if isinstance(fact.data, JobBooked)][-1]


@pytest.mark.parametrize(
    ("name", "case", "due"),
    [
        ("stayed_after_cancellation", begun().report("12:00").cancelled("12:00", "customer", marked="none"), "12:05"),
        ("ticket_outside_geofence", begun().report("10:00", 2000).ticket("10:00"), "10:05"),
        ("park_overdue", begun().ticket("10:00").closed("11:00"), "14:00"),
        ("stuck_provisional", begun().ticket("10:00").ticket_closed("10:01"), "10:00 +48h"),
    ],
)
def test_alert_waits_for_its_deadline_and_has_the_case_looked_at_then(name: str, case: Scenario, due: str) -> None:
    before = case.verdict(f"{due} -1us")
    assert not before.alerts(name)
    assert before.verdict.next_deadline == instant(due)
    assert len(case.verdict(due).alerts(name)) == 1


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("stayed_after_cancellation", begun().report("12:00").cancelled("12:00", "partner")),
        ("stayed_after_cancellation", begun().report("12:00", 600).cancelled("12:00", "customer").report("12:30")),
        ("park_overdue", begun().ticket("10:00").call("10:30", "resolution_confirmed")),
        ("validated_off_site", begun().report("10:00").ticket("10:00").validated("10:30")),
        ("validated_off_site", begun().report("10:00", 2000).ticket("10:00")),
        ("validated_off_site", Scenario().booked(city="Jaipur", premises="commercial").assigned()),
        ("ticket_outside_geofence", begun().report("10:00", 499).ticket("10:00")),
        ("ticket_outside_geofence", begun().report("10:00", 2000).ticket("10:00", kind="rating_reversal")),
        ("bpc_only_cancellation", begun().ticket("10:00").cancelled("11:00")),
        ("mocked_location", begun().report("10:00", mocked=True).cancelled("10:00", "customer", marked="none")),
        ("stuck_provisional", begun().cancelled("10:00", "customer", marked="none")),
    ],
)
def test_alert_is_not_found_where_its_condition_does_not_hold(name: str, case: Scenario) -> None:
    assert not case.verdict("10:00 +100h").alerts(name)


def test_commercial_route_needs_no_presence_for_its_verdict() -> None:
    case = Scenario().booked(city="Jaipur", premises="commercial").assigned().report("10:00", 2000)
    assert not case.ticket("10:00").validated("10:30").verdict().alerts("validated_off_site")
    assert away("commercial").verdict().alerts("validated_off_site")  # a live city has the ticket flow


def test_labels_without_a_booking_are_those_of_the_key() -> None:
    (finding, *_) = Scenario().assigned().ticket("10:00").verdict("10:00 +48h").alerts("stuck_provisional")
    assert finding.alert.labels.keys() == set(finding.alert.key)


def test_nobody_is_left_out_of_labels() -> None:
    (finding,) = Scenario().booked().ticket("10:00", by="customer").verdict("10:00 +48h").alerts("stuck_provisional")
    assert "partner_id" not in finding.alert.labels
    assert finding.alert.key == ("case_id", "kind", "subject_of")


def test_place_is_unknown_without_a_booking() -> None:
    assert place_labels(build_case_view("job-1", ()), POLICY) == {}
    assert place_labels(build_case_view("job-1", begun().facts), POLICY) == PLACE


def decided(outcome: str, status: Status = "final", *, subject_of: SubjectOf = "out_of_scope") -> DecisionBody:
    return DecisionBody(
        kind="tagging",
        subject_of=subject_of,
        case_id="job-1",
        partner_id="p1",
        status=status,
        outcome=outcome,
        evidence=("/s#t1",),
        policy="default@h",
        effective_at=instant("10:00"),
    )


@pytest.mark.parametrize(
    ("old", "new", "is_flip"),
    [
        (decided("a"), decided("b"), True),
        (decided("a"), decided("b", "provisional"), True),
        (decided("a"), decided(WITHDRAWN), True),
        (decided(WITHDRAWN), decided("a"), True),
        (decided("a"), decided("a"), False),
        (decided("a"), decided("a", "provisional"), False),
        (decided("a", "provisional"), decided("b"), False),
        (decided("a", "provisional"), decided(WITHDRAWN), False),
    ],
)
def test_flip_is_a_changed_outcome_of_a_final_decision(old: DecisionBody, new: DecisionBody, is_flip: bool) -> None:
    assert (decision_flip(old, new, 2, PLACE, POLICY) is not None) == is_flip


def test_flip_names_the_decision_and_its_revision() -> None:
    policy = Policy(hash="h", alert=Alert(moment_ttl=HOUR))
    finding = decision_flip(decided("a"), decided("b"), 3, PLACE, policy)
    assert isinstance(finding, AlertCondition)
    alert = finding.alert
    assert finding.is_moment
    assert (alert.name, alert.severity) == ("decision_flip", "warning")
    assert alert.labels == {
        "case_id": "job-1",
        "kind": "tagging",
        "subject_of": "out_of_scope",
        "partner_id": "p1",
        "revision": "3",
        **PLACE,
    }
    assert alert.key == ("case_id", "kind", "subject_of", "partner_id", "revision")
    assert (alert.evidence, alert.starts_at, alert.ends_at) == (("/s#t1",), instant("10:00"), instant("11:00"))


def test_flip_of_an_offline_decision_is_about_the_case_whoever_the_partner() -> None:
    old, new = (decided(outcome, subject_of="offline_service") for outcome in "ab")
    finding = decision_flip(old, new, 2, {}, POLICY)
    assert finding
    assert finding.alert.key == ("case_id", "kind", "subject_of", "revision")
