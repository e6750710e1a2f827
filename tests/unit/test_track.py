"""A partner's track: which report answers a moment, both sides of every bound, and what is said again or forgotten."""

from __future__ import annotations

import pytest

from agents.presence.queries import PresenceRules
from agents.presence.track import DISPLACED_PER_BUCKET_MAX, Track
from schemas.events import Event, LocationReported, Site
from schemas.policy.model import HOUR, MINUTE, SECOND, Policy, Presence
from tests.tracks import NOON, POLICY, RETENTION, SITE, only_answer, query, report, track_of

Report = Event[LocationReported]


@pytest.mark.parametrize(
    ("reports", "closest"),
    [
        ([], None),
        ([report(-15 * MINUTE, name="a")], "a"),
        ([report(-15 * MINUTE - 1, name="a")], None),
        ([report(5 * MINUTE, name="a")], "a"),
        ([report(5 * MINUTE + 1, name="a")], None),
        ([report(0, name="a", accuracy=200.0)], "a"),
        ([report(0, name="a", accuracy=200.001)], None),
        ([report(0, name="a", mocked=True)], None),
        ([report(-30 * SECOND, name="a"), report(29 * SECOND, name="b")], "b"),
        ([report(-30 * SECOND, name="b"), report(30 * SECOND, name="a")], "b"),
        ([report(-40 * SECOND, name="a"), report(0, name="b", accuracy=300.0)], "a"),
        ([report(0, name="a", accuracy=0.0)], None),
        ([report(0, name="a", accuracy=0.001)], "a"),
        ([report(-40 * SECOND, name="a"), report(0, name="b", accuracy=0.0)], "a"),
        ([report(0, name="a", place=Site(0.0, 0.0))], None),
        ([report(0, name="a", place=Site(-0.0, 0.0))], None),
        ([report(0, name="a", place=Site(0.0, 1e-300))], "a"),
        ([report(0, name="a", place=Site(1e-300, 0.0))], "a"),
    ],
    ids=[
        "none",
        "earliest_in_window",
        "too_early",
        "latest_in_window",
        "too_late",
        "accuracy_at_the_limit",
        "too_inaccurate",
        "mocked",
        "closer_wins_though_later",
        "of_equally_close_the_earlier",
        "closest_of_the_valid",
        "accuracy_unknown",
        "accuracy_known",
        "closest_of_known_accuracy",
        "no_fix",
        "no_fix_whatever_the_sign",
        "on_the_equator",
        "on_the_first_meridian",
    ],
)
def test_closest_valid_report_answers_a_moment(reports: list[Report], closest: str | None) -> None:
    found = only_answer(track_of(*reports), query()).closest
    assert (found and found.ref) == (closest and f"/app#{closest}")


@pytest.mark.parametrize(
    ("reports", "kept"),
    [
        ([report(0, name="a", accuracy=20.0), report(9 * SECOND, name="b", accuracy=19.0)], "b"),
        ([report(0, name="b", accuracy=20.0), report(9 * SECOND, name="a", accuracy=20.0)], "b"),
        ([report(0, name="a", accuracy=0.0), report(9 * SECOND, name="b", accuracy=150.0)], "b"),
        ([report(0, name="a", place=Site(0.0, 0.0), accuracy=1.0), report(9 * SECOND, name="b")], "b"),
        ([report(0, name="b"), report(0, name="a")], "a"),
        ([report(0, name="ab"), report(0, name="a")], "a"),
        ([report(0, name="a", source="/z", metres=1), report(0, name="a", source="/b")], "a"),
    ],
    ids=[
        "most_accurate",
        "then_earlier",
        "accuracy_unknown_last",
        "no_fix_last",
        "then_smaller_id",
        "then_shorter_id",
        "then_smaller_source",
    ],
)
def test_one_report_of_a_slot_counts_whatever_came_first(reports: list[Report], kept: str) -> None:
    for order in (reports, reports[::-1]):
        found = only_answer(track_of(*order), query()).closest
        assert found
        assert found.ref.endswith(f"#{kept}")
        assert not found.ref.startswith("/z")


def test_slots_are_counted_from_the_epoch_and_end_before_the_next_begins() -> None:
    coarse = report(10 * SECOND - 1, name="a", accuracy=50.0)
    fine = report(10 * SECOND, name="b", accuracy=5.0)
    found = only_answer(track_of(coarse, fine), query(10 * SECOND - 1)).closest
    assert found
    assert found.ref == "/app#a"


def test_report_that_counts_in_its_slot_may_lie_outside_a_window_that_another_would_have_met() -> None:
    asked = query(15 * MINUTE + 4 * SECOND)
    inside, outside = report(5 * SECOND, accuracy=50.0), report(3 * SECOND, accuracy=5.0)
    track = track_of(inside)
    assert only_answer(track, asked).closest is not None
    track.add_report(outside, POLICY)
    (answer,) = track.new_answers()
    assert answer.closest is None


def test_mocked_and_other_reports_of_a_slot_are_thinned_apart() -> None:
    answer = only_answer(track_of(report(0, name="a"), report(1, name="m", mocked=True, accuracy=1.0)), query())
    assert answer.closest
    assert answer.mocked
    assert (answer.closest.ref, answer.mocked.ref) == ("/app#a", "/app#m")


@pytest.mark.parametrize(
    ("offsets", "earliest"),
    [
        ([-15 * MINUTE - 1], None),
        ([-15 * MINUTE], -15 * MINUTE),
        ([15 * MINUTE], 15 * MINUTE),
        ([15 * MINUTE + 1], None),
        ([0, -10 * MINUTE, -20 * MINUTE], -10 * MINUTE),
    ],
)
def test_earliest_mocked_report_around_a_moment_is_told(offsets: list[int], earliest: int | None) -> None:
    answer = only_answer(track_of(*(report(at, mocked=True, accuracy=900.0) for at in offsets)), query())
    assert (answer.mocked and answer.mocked.time - NOON) == earliest


@pytest.mark.parametrize(
    ("reports", "stay"),
    [
        ([report(30 * MINUTE)], 30 * MINUTE),
        ([report(30 * MINUTE - 1)], None),
        ([report(2 * HOUR)], 2 * HOUR),
        ([report(2 * HOUR + 1)], None),
        ([report(40 * MINUTE), report(50 * MINUTE)], 40 * MINUTE),
        ([report(10 * MINUTE, 600.0), report(40 * MINUTE)], None),
        ([report(10 * MINUTE, 600.0, accuracy=201.0), report(40 * MINUTE)], 40 * MINUTE),
        ([report(10 * MINUTE, 600.0, mocked=True), report(40 * MINUTE)], 40 * MINUTE),
        ([report(10 * MINUTE, 600.0, accuracy=0.0), report(40 * MINUTE)], 40 * MINUTE),
        ([report(40 * MINUTE, accuracy=0.0)], None),
        ([report(10 * MINUTE, place=Site(0.0, 0.0)), report(40 * MINUTE)], 40 * MINUTE),
        ([report(40 * MINUTE), report(50 * MINUTE, 600.0)], 40 * MINUTE),
        ([report(0, 600.0), report(40 * MINUTE)], 40 * MINUTE),
        ([report(1, 600.0), report(40 * MINUTE)], None),
        ([report(40 * MINUTE, accuracy=201.0)], None),
        ([report(40 * MINUTE, mocked=True)], None),
        ([report(40 * MINUTE, 499.9)], 40 * MINUTE),
        ([report(40 * MINUTE, 500.1)], None),
    ],
)
def test_stay_is_the_earliest_on_site_report_late_enough_with_none_off_site_between(
    reports: list[Report], stay: int | None
) -> None:
    answer = only_answer(track_of(*reports), query(stay=True))
    assert (answer.stay and answer.stay.time - NOON) == stay


def test_stay_is_not_looked_for_unless_asked_or_without_a_site() -> None:
    track = track_of(report(40 * MINUTE))
    assert only_answer(track, query(stay=False)).stay is None
    assert only_answer(track, query(stay=True, site=None)).stay is None


def test_place_is_told_whether_there_is_a_site_or_not() -> None:
    track = track_of(seen := report(0, 250.0))
    for asked in (query(), query(site=None)):
        answer = only_answer(track, asked)
        assert answer.closest
        assert answer.closest.place == Site(seen.data.lat, seen.data.lon)
        assert answer.distance_m(answer.closest, SITE) == pytest.approx(250.0, abs=1e-6)
        assert answer.distance_m(answer.closest, None) is None


def test_moment_is_judged_by_its_own_rules() -> None:
    rules = PresenceRules(
        radius_m=10.0, max_accuracy_m=15.0, before=SECOND, after=0, linger=HOUR, stay=0, mocked_window=0
    )
    track = track_of(report(-SECOND, name="a"), report(1, name="b"), report(HOUR, 11.0))
    answer = only_answer(track, query(stay=True, rules=rules))
    assert answer.closest
    assert answer.stay
    assert (answer.closest.ref, answer.stay.ref) == ("/app#a", "/app#b")


def test_every_moment_is_answered_also_when_nothing_is_known() -> None:
    answer = only_answer(Track("p1"), query())
    assert (answer.closest, answer.mocked, answer.stay, answer.made_at) == (None, None, None, {})


def test_answer_is_said_again_only_when_it_changed_or_was_asked_again() -> None:
    track = track_of(report(-MINUTE, name="a"))
    track.query(query())
    assert len(track.new_answers()) == 1
    assert track.new_answers() == ()
    track.add_report(report(-2 * MINUTE), POLICY)
    assert track.new_answers() == ()
    track.add_report(report(-SECOND, name="b"), POLICY)
    (changed,) = track.new_answers()
    assert changed.closest
    assert changed.closest.ref == "/app#b"
    track.query(query())
    assert track.new_answers() == (changed,)


def test_more_accurate_report_of_its_slot_takes_the_place_of_the_one_told() -> None:
    track = track_of(report(0, name="a", accuracy=20.0))
    first = only_answer(track, query())
    track.add_report(report(5 * SECOND, name="b", accuracy=5.0), POLICY)
    (second,) = track.new_answers()
    assert (first.closest and first.closest.ref, second.closest and second.closest.ref) == ("/app#a", "/app#b")


@pytest.mark.parametrize(
    ("first", "then", "stay"),
    [
        ([], report(40 * MINUTE), 40 * MINUTE),
        ([report(50 * MINUTE)], report(40 * MINUTE), 40 * MINUTE),
        (
            [report(40 * MINUTE, accuracy=20.0)],
            report(40 * MINUTE + 5 * SECOND, accuracy=5.0),
            40 * MINUTE + 5 * SECOND,
        ),
        (
            [report(20 * MINUTE, 600.0, accuracy=20.0), report(40 * MINUTE)],
            report(20 * MINUTE + 5 * SECOND, accuracy=5.0),
            40 * MINUTE,
        ),
        ([report(40 * MINUTE)], report(10 * MINUTE, 600.0), None),
    ],
    ids=["first_sign", "earlier_sign", "better_sign", "was_on_site_after_all", "was_away"],
)
def test_late_report_changes_what_is_told_of_a_stay(first: list[Report], then: Report, stay: int | None) -> None:
    track = track_of(*first)
    track.query(query(stay=True))
    track.new_answers()
    track.add_report(then, POLICY)
    (answer,) = track.new_answers()
    assert (answer.stay and answer.stay.time - NOON) == stay


def test_changed_question_takes_the_place_of_the_one_before() -> None:
    track = track_of(report(0))
    track.query(query(site=None))
    track.query(query())
    (answer,) = track.new_answers()
    assert answer.query == query()
    track.add_report(report(1, accuracy=1.0), POLICY)
    assert [again.query for again in track.new_answers()] == [query()]


def test_readings_come_by_time_then_case_then_fact() -> None:
    track = track_of(report(0))
    asked = [
        query(1, fact="/app#a", case="job-1"),
        query(0, fact="/app#z", case="job-2"),
        query(0, fact="/app#y", case="job-2"),
        query(0, fact="/app#z", case="job-1"),
    ]
    for each in asked:
        track.query(each)
    assert [answer.query for answer in track.new_answers()] == [asked[3], asked[2], asked[1], asked[0]]


def test_question_about_somebody_else_is_refused() -> None:
    with pytest.raises(AssertionError):
        Track("p2").query(query())


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (report(0, name="a"), "duplicate"),
        (report(0, 5.0, name="a"), "conflict"),
        (report(HOUR, name="a"), "conflict"),
        (report(0, name="a", mocked=True), "conflict"),
        (report(0, name="a", source="/other"), "applied"),
        (report(0, name="b"), "applied"),
    ],
)
def test_identity_tells_duplicates_and_conflicts(second: Report, expected: str) -> None:
    track = track_of(report(0, name="a"))
    assert track.add_report(second, POLICY) == expected


def test_conflict_changes_nothing() -> None:
    track = track_of(report(0, name="a"))
    before = track.dump()
    track.add_report(report(RETENTION * 2, name="a"), POLICY)
    assert track.dump() == before


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_report_that_was_thinned_out_keeps_its_identity(order: tuple[str, str]) -> None:
    reports = {"a": report(0, name="a", accuracy=20.0), "b": report(1, name="b", accuracy=10.0)}
    track = Track.load(track_of(*(reports[name] for name in order)).dump())
    assert track.add_report(reports["a"], POLICY) == "duplicate"
    assert track.add_report(report(HOUR, name="a", accuracy=20.0), POLICY) == "conflict"


@pytest.mark.parametrize("step", [1, -1])
def test_of_a_slot_the_best_so_many_thinned_out_reports_are_known_in_whatever_order_they_came(step: int) -> None:
    others = [report(number, name=f"o{number}", accuracy=20.0) for number in range(DISPLACED_PER_BUCKET_MAX + 1)]
    track = track_of(report(0, name="best", accuracy=10.0), *others[::step])
    before = track.dump()
    again = [track.add_report(each, POLICY) for each in others]
    assert again == ["duplicate"] * DISPLACED_PER_BUCKET_MAX + ["applied"]
    assert track.dump() == before
    assert {track.add_report(report(1, name=f"o{number}", accuracy=1.0), POLICY) for number in range(8)} == {"conflict"}


def test_slots_of_another_policy_are_other_slots_for_thinned_out_reports_too() -> None:
    minute = Policy(hash="m", presence=Presence(slot=MINUTE))
    crowd = [report(number, name=f"o{number}", accuracy=20.0) for number in range(DISPLACED_PER_BUCKET_MAX + 1)]
    track = track_of(*crowd)
    for number in range(DISPLACED_PER_BUCKET_MAX + 1):
        track.add_report(report(number, name=f"m{number}", accuracy=10.0), minute)
    assert [track.add_report(each, POLICY) for each in crowd] == ["duplicate"] * len(crowd)


def test_a_thinned_out_report_is_forgotten_past_the_retention() -> None:
    track = track_of(report(0, name="a", accuracy=20.0), report(1, name="b", accuracy=10.0))
    track.add_report(report(RETENTION + 3 * HOUR, name="c"), POLICY)
    track.new_answers()
    assert track.add_report(report(0, name="a", accuracy=20.0), POLICY) == "applied"


def test_empty_until_something_is_known() -> None:
    assert Track("p1").is_empty
    assert not track_of(report(0)).is_empty
    asked = Track("p1")
    asked.query(query())
    assert not asked.is_empty


def test_dumped_report_takes_less_than_150_bytes() -> None:
    reports = [report(slot * 10 * SECOND, name=f"9f1c2d3e-0000-4000-8000-{slot:012d}") for slot in range(1000)]
    assert len(track_of(*reports).dump()) / 1000 < 150


def test_loaded_track_goes_on_where_it_was_dumped() -> None:
    track = track_of(report(-HOUR, 40_000.0), report(-HOUR + MINUTE), report(0, name="a"))
    track.query(query())
    track = Track.load(track.dump())
    assert len(track.new_answers()) == 1
    track = Track.load(track.dump())
    assert track.new_answers() == ()
    assert track.add_report(report(0, name="a"), POLICY) == "duplicate"
    track.add_report(report(1, accuracy=1.0), POLICY)
    track = Track.load(track.dump())
    assert len(track.new_answers()) == 1
    assert len(track.new_travel_alerts()) == 1
    assert Track.load(track.dump()).new_travel_alerts() == ()


def test_slot_and_retention_follow_the_policy() -> None:
    policy = Policy(hash="s", presence=Presence(slot=MINUTE, retention=HOUR))
    track = track_of(report(0, name="a", accuracy=20.0), report(59 * SECOND, name="b"), policy=policy)
    found = only_answer(track, query()).closest
    assert found
    assert found.ref == "/app#b"
    track.add_report(report(HOUR + 59 * SECOND + 1), policy)
    track.query(query(59 * SECOND))
    assert track.missed_retention == 1
