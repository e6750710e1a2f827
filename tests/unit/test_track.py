"""A partner's track: which reports an answer has, what is answered again, duplicates, and checkpoints."""

from __future__ import annotations

import pytest

from agents.presence.queries import PresenceRules
from agents.presence.track import DISPLACED_PER_BUCKET_MAX, Track
from schemas.events import Event, LocationReported, Site
from schemas.policy.model import HOUR, MINUTE, SECOND, Policy, Presence
from tests.tracks import NOON, POLICY, RETENTION, SITE, only_answer, query, report, track_of

Report = Event[LocationReported]


# the rule suite has the bounds of time, accuracy and distance (tests/rules/test_presence.py)
@pytest.mark.parametrize(
    ("reports", "closest"),
    [
        ([], None),
        ([report(-40 * SECOND, name="a"), report(0, name="b", accuracy=300.0)], "a"),
        ([report(-40 * SECOND, name="a"), report(0, name="b", accuracy=0.0)], "a"),
        ([report(0, name="a", place=Site(0.0, 0.0))], None),
        ([report(0, name="a", place=Site(-0.0, 0.0))], None),
        ([report(0, name="a", place=Site(0.0, 1e-300))], "a"),
        ([report(0, name="a", place=Site(1e-300, 0.0))], "a"),
    ],
    ids=["none", "too_inaccurate", "unknown_accuracy", "no_fix", "no_fix_signed", "on_the_equator", "on_the_meridian"],
)
def test_the_closest_valid_report_is_the_answer(reports: list[Report], closest: str | None) -> None:
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
def test_the_best_report_of_a_bucket_counts_in_any_order_of_arrival(reports: list[Report], kept: str) -> None:
    for order in (reports, reports[::-1]):
        found = only_answer(track_of(*order), query()).closest
        assert found
        assert found.ref.endswith(f"#{kept}")
        assert not found.ref.startswith("/z")


def test_buckets_begin_at_multiples_of_their_length() -> None:
    coarse = report(10 * SECOND - 1, name="a", accuracy=50.0)
    fine = report(10 * SECOND, name="b", accuracy=5.0)
    found = only_answer(track_of(coarse, fine), query(10 * SECOND - 1)).closest
    assert found
    assert found.ref == "/app#a"


def test_the_best_report_of_a_bucket_may_lie_outside_a_window_that_a_worse_one_is_in() -> None:
    asked = query(15 * MINUTE + 4 * SECOND)
    inside, outside = report(5 * SECOND, accuracy=50.0), report(3 * SECOND, accuracy=5.0)
    track = track_of(inside)
    assert only_answer(track, asked).closest is not None
    track.add_report(outside, POLICY)
    (answer,) = track.new_answers()
    assert answer.closest is None


def test_mocked_reports_have_their_own_buckets() -> None:
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
def test_the_answer_has_the_earliest_mocked_report_nearby(offsets: list[int], earliest: int | None) -> None:
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
def test_a_stay_is_the_earliest_report_on_site_late_enough_with_none_off_site_in_between(
    reports: list[Report], stay: int | None
) -> None:
    answer = only_answer(track_of(*reports), query(stay=True))
    assert (answer.stay and answer.stay.time - NOON) == stay


def test_there_is_no_stay_unless_requested_with_a_site() -> None:
    track = track_of(report(40 * MINUTE))
    assert only_answer(track, query(stay=False)).stay is None
    assert only_answer(track, query(stay=True, site=None)).stay is None


def test_the_answer_has_the_position_with_or_without_a_site() -> None:
    track = track_of(seen := report(0, 250.0))
    for asked in (query(), query(site=None)):
        answer = only_answer(track, asked)
        assert answer.closest
        assert answer.closest.place == Site(seen.data.lat, seen.data.lon)
        assert answer.distance_m(answer.closest, SITE) == pytest.approx(250.0, abs=1e-6)
        assert answer.distance_m(answer.closest, None) is None


def test_a_query_is_answered_by_its_own_rules() -> None:
    rules = PresenceRules(
        radius_m=10.0, max_accuracy_m=15.0, before=SECOND, after=0, linger=HOUR, stay=0, mocked_window=0
    )
    track = track_of(report(-SECOND, name="a"), report(1, name="b"), report(HOUR, 11.0))
    answer = only_answer(track, query(stay=True, rules=rules))
    assert answer.closest
    assert answer.stay
    assert (answer.closest.ref, answer.stay.ref) == ("/app#a", "/app#b")


def test_every_query_is_answered_even_without_reports() -> None:
    answer = only_answer(Track("p1"), query())
    assert (answer.closest, answer.mocked, answer.stay, answer.made_at) == (None, None, None, {})


def test_an_answer_is_returned_again_only_if_it_changed_or_the_query_is_repeated() -> None:
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


def test_a_more_accurate_report_of_the_bucket_changes_the_answer() -> None:
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
    ids=["first", "earlier", "more_accurate", "on_site_after_all", "off_site_in_between"],
)
def test_a_late_report_changes_the_stay(first: list[Report], then: Report, stay: int | None) -> None:
    track = track_of(*first)
    track.query(query(stay=True))
    track.new_answers()
    track.add_report(then, POLICY)
    (answer,) = track.new_answers()
    assert (answer.stay and answer.stay.time - NOON) == stay


def test_a_changed_query_replaces_the_one_before() -> None:
    track = track_of(report(0))
    track.query(query(site=None))
    track.query(query())
    (answer,) = track.new_answers()
    assert answer.query == query()
    track.add_report(report(1, accuracy=1.0), POLICY)
    assert [again.query for again in track.new_answers()] == [query()]


def test_answers_are_sorted_by_time_then_case_then_fact() -> None:
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


def test_a_query_about_another_partner_is_an_error() -> None:
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
def test_a_known_identity_is_a_duplicate_or_a_conflict(second: Report, expected: str) -> None:
    track = track_of(report(0, name="a"))
    assert track.add_report(second, POLICY) == expected


def test_a_conflict_changes_nothing() -> None:
    track = track_of(report(0, name="a"))
    before = track.dump()
    track.add_report(report(RETENTION * 2, name="a"), POLICY)
    assert track.dump() == before


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_identity_of_a_displaced_report_is_remembered(order: tuple[str, str]) -> None:
    reports = {"a": report(0, name="a", accuracy=20.0), "b": report(1, name="b", accuracy=10.0)}
    track = Track.load(track_of(*(reports[name] for name in order)).dump())
    assert track.add_report(reports["a"], POLICY) == "duplicate"
    assert track.add_report(report(HOUR, name="a", accuracy=20.0), POLICY) == "conflict"


@pytest.mark.parametrize("step", [1, -1])
def test_the_best_displaced_reports_of_a_bucket_are_remembered_in_any_order_of_arrival(step: int) -> None:
    others = [report(number, name=f"o{number}", accuracy=20.0) for number in range(DISPLACED_PER_BUCKET_MAX + 1)]
    track = track_of(report(0, name="best", accuracy=10.0), *others[::step])
    before = track.dump()
    again = [track.add_report(each, POLICY) for each in others]
    assert again == ["duplicate"] * DISPLACED_PER_BUCKET_MAX + ["applied"]
    assert track.dump() == before
    assert {track.add_report(report(1, name=f"o{number}", accuracy=1.0), POLICY) for number in range(8)} == {"conflict"}


def test_displaced_reports_are_counted_apart_for_policies_with_other_buckets() -> None:
    minute = Policy(hash="m", presence=Presence(slot=MINUTE))
    crowd = [report(number, name=f"o{number}", accuracy=20.0) for number in range(DISPLACED_PER_BUCKET_MAX + 1)]
    track = track_of(*crowd)
    for number in range(DISPLACED_PER_BUCKET_MAX + 1):
        track.add_report(report(number, name=f"m{number}", accuracy=10.0), minute)
    assert [track.add_report(each, POLICY) for each in crowd] == ["duplicate"] * len(crowd)


def test_a_displaced_report_is_forgotten_beyond_the_retention() -> None:
    track = track_of(report(0, name="a", accuracy=20.0), report(1, name="b", accuracy=10.0))
    track.add_report(report(RETENTION + 3 * HOUR, name="c"), POLICY)
    track.new_answers()
    assert track.add_report(report(0, name="a", accuracy=20.0), POLICY) == "applied"


def test_a_track_is_empty_until_it_has_a_report_or_a_query() -> None:
    assert Track("p1").is_empty
    assert not track_of(report(0)).is_empty
    queried = Track("p1")
    queried.query(query())
    assert not queried.is_empty


def test_a_dumped_report_takes_less_than_150_bytes() -> None:
    reports = [report(number * 10 * SECOND, name=f"9f1c2d3e-0000-4000-8000-{number:012d}") for number in range(1000)]
    assert len(track_of(*reports).dump()) / 1000 < 150


def test_a_loaded_track_continues_where_it_was_dumped() -> None:
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


def test_bucket_and_retention_follow_the_policy() -> None:
    policy = Policy(hash="s", presence=Presence(slot=MINUTE, retention=HOUR))
    track = track_of(report(0, name="a", accuracy=20.0), report(59 * SECOND, name="b"), policy=policy)
    found = only_answer(track, query()).closest
    assert found
    assert found.ref == "/app#b"
    track.add_report(report(HOUR + 59 * SECOND + 1), policy)
    track.query(query(59 * SECOND))
    assert track.missed_retention == 1
