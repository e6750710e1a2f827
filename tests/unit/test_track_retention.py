"""What a partner's track keeps beyond the retention, and how it answers queries about that time."""

from __future__ import annotations

import pytest

from agents.presence.track import Track
from schemas.events import Site
from schemas.policy.model import HOUR, MINUTE, SECOND
from tests.scenario import destination
from tests.tracks import POLICY, RETENTION, only_answer, query, report, track_of


def test_the_identity_of_a_report_beyond_the_retention_is_forgotten() -> None:
    track = track_of(report(0, name="a"), report(RETENTION + 3 * HOUR))
    track.new_answers()
    assert track.add_report(report(RETENTION + 3 * HOUR + MINUTE, name="a"), POLICY) == "applied"


def test_a_query_within_the_retention_sees_its_whole_window() -> None:
    track = track_of(report(-15 * MINUTE, name="a"), report(RETENTION))
    track.new_answers()
    found = only_answer(track, query()).closest
    assert found
    assert found.ref == "/app#a"
    assert track.missed_retention == 0


def test_a_query_beyond_the_retention_is_counted_and_sees_no_older_reports() -> None:
    track = track_of(report(-MINUTE), report(0), report(RETENTION + 1))
    assert only_answer(track, query()).closest is None
    assert track.missed_retention == 1


def test_a_report_beyond_the_retention_is_not_kept() -> None:
    track = track_of(report(RETENTION * 2))
    assert track.add_report(report(0), POLICY) == "applied"
    assert only_answer(track, query()).closest is None


def test_a_report_beyond_the_retention_counts_for_a_query_that_came_in_time() -> None:
    track = Track("p1")
    track.query(query())
    track.add_report(report(RETENTION * 2), POLICY)
    track.add_report(report(0, name="a"), POLICY)
    (answer,) = track.new_answers()
    assert answer.closest
    assert (answer.closest.ref, answer.too_late) == ("/app#a", False)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_report_beyond_the_retention_gives_way_to_a_better_one_of_its_bucket(order: tuple[int, ...]) -> None:
    begin = -15 * MINUTE
    reports = [report(begin + 5 * SECOND, name="within"), report(begin + SECOND, name="before", accuracy=5.0)]
    track = Track("p1")
    track.query(query(5 * SECOND))
    for each in (report(RETENTION * 2), *(reports[index] for index in order)):
        track.add_report(each, POLICY)
    (answer,) = track.new_answers()
    assert answer.closest is None


def test_a_report_within_the_retention_counts_for_a_query_whose_time_is_beyond_it() -> None:
    track = track_of(report(-10 * MINUTE))
    track.query(query())
    track.new_answers()
    track.add_report(report(RETENTION + MINUTE), POLICY)
    assert track.new_answers() == ()
    track.add_report(report(2 * MINUTE, name="a"), POLICY)
    (answer,) = track.new_answers()
    assert answer.closest
    assert answer.closest.ref == "/app#a"


def test_a_query_repeated_beyond_the_retention_is_not_too_late() -> None:
    track = track_of(report(0, name="a"))
    track.query(query())
    track.add_report(report(RETENTION + MINUTE), POLICY)
    track.new_answers()
    answer = only_answer(track, query())
    assert answer.closest
    assert (answer.closest.ref, answer.too_late, track.missed_retention) == ("/app#a", False, 0)


def test_a_query_for_a_stay_at_another_site_is_not_too_late_if_the_first_was_in_time() -> None:
    track = track_of(report(0, name="a"), report(40 * MINUTE, 700.0, name="b"))
    track.query(query(stay=True))
    track.add_report(report(RETENTION + MINUTE), POLICY)
    track.new_answers()
    answer = only_answer(track, query(stay=True, site=Site(*destination(700.0, 0.0))))
    assert answer.closest
    assert answer.stay
    assert (answer.closest.ref, answer.stay.ref, answer.too_late) == ("/app#a", "/app#b", False)
    assert track.missed_retention == 0


def test_a_query_beyond_the_retention_is_dropped_and_its_answer_stands() -> None:
    track = track_of(report(0))
    track.query(query())
    assert len(track.new_answers()) == 1
    track.add_report(report(RETENTION + 3 * HOUR), POLICY)
    assert track.new_answers() == ()
    track.add_report(report(1, accuracy=1.0), POLICY)
    assert track.new_answers() == ()


def test_a_query_in_time_is_answered_in_full_although_a_far_later_report_arrives_before_its_answer() -> None:
    track = track_of(report(0, name="a"))
    track.query(query())
    track.add_report(report(RETENTION * 2), POLICY)
    (answer,) = track.new_answers()
    assert answer.closest
    assert answer.closest.ref == "/app#a"


def test_what_is_beyond_the_retention_takes_no_space() -> None:
    track = Track("p1")
    sizes = []
    for numbers in (range(2000), range(2000, 2400)):
        for number in numbers:
            track.add_report(report(number * 10 * MINUTE), POLICY)
            track.query(query(number * 10 * MINUTE, fact=f"/app#{number}"))
            track.new_answers()
        sizes.append(len(track.dump()))
    assert sizes[1] <= sizes[0] * 1.02
