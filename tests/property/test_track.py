"""A track gives the same answers as a plain implementation of the rules, in any order of arrival."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.presence.geo import distance_m
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery
from agents.presence.track import DISPLACED_PER_BUCKET_MAX, Track
from schemas.events import Event, LocationReported, Site
from schemas.policy.model import HOUR, MINUTE, SECOND, Policy
from tests.tracks import POLICY, RETENTION, query, report, track_of

Report = Event[LocationReported]
Step = Report | PresenceQuery | str

OFFSETS = st.one_of(
    st.integers(-20 * MINUTE, 2 * HOUR + MINUTE),
    st.integers(-4, 4).map(lambda s: s * 5 * SECOND),
    st.sampled_from([-15 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 2 * HOUR]).flatmap(
        lambda edge: st.integers(edge - 1, edge + 1)
    ),
)
REPORTS = st.builds(
    report,
    OFFSETS,
    st.sampled_from([0.0, 100.0, 499.0, 501.0, 3_000.0]),
    name=st.sampled_from(["a", "ab", "b"]) | st.none(),
    source=st.sampled_from(["/app", "/z#z"]),
    accuracy=st.sampled_from([0.0, 5.0, 10.0, 200.0, 200.5]),
    mocked=st.booleans(),
    place=st.sampled_from([None, None, None, Site(0.0, 0.0)]),
)
QUERIES = st.builds(
    query,
    st.sampled_from([0, 1, 7 * SECOND, 10 * MINUTE]),
    fact=st.sampled_from(["/app#m", "/app#n"]),
    case=st.sampled_from(["job-1", "job-2"]),
    site=st.sampled_from([None, Site(28.6139, 77.2090), Site(28.62, 77.21)]),
    stay=st.booleans(),
)
DISTINCT_REPORTS = st.lists(REPORTS, max_size=25, unique_by=lambda each: each.identity)
DISTINCT_QUERIES = st.lists(QUERIES, min_size=1, max_size=4, unique_by=lambda each: (each.case_id, each.fact))

CROWDS = st.lists(
    st.builds(
        report,
        st.integers(0, 10 * SECOND - 1),
        source=st.sampled_from(["/app", "/z#z"]),
        accuracy=st.sampled_from([0.0, 10.0, 20.0]),
        mocked=st.booleans(),
    ),
    min_size=2 * DISPLACED_PER_BUCKET_MAX,
    max_size=40,
    unique_by=lambda each: each.identity,
)
"""More reports of one bucket than a track remembers."""
CROWD = [report(at, source=source) for at in range(DISPLACED_PER_BUCKET_MAX + 3) for source in ("/app", "/z#z")]


def reordered(reports: list[Report]) -> st.SearchStrategy[tuple[list[Report], list[Report]]]:
    """Draw the same reports in another order, each twice."""
    return st.tuples(st.just(reports), st.permutations([*reports, *reports]))


def is_fix(each: Report) -> bool:
    """Return whether a report has a position at all."""
    return each.data.accuracy_m > 0 and (each.data.lat, each.data.lon) != (0, 0)


def expected(reports: Iterable[Report], asked: PresenceQuery, policy: Policy) -> PresenceAnswer:
    """Answer a query by the letter of the rules."""
    buckets: dict[tuple[bool, int], list[Report]] = {}
    for each in reports:
        buckets.setdefault((each.data.mocked, each.time // policy.presence.slot), []).append(each)
    kept = [min(bucket, key=lambda r: (not is_fix(r), r.data.accuracy_m, *r.order)) for bucket in buckets.values()]
    kept.sort(key=lambda r: r.order)
    rules = asked.rules
    valid = [r for r in kept if not r.data.mocked and is_fix(r) and r.data.accuracy_m <= rules.max_accuracy_m]

    def fix(found: Sequence[Report]) -> LocationFix | None:
        if not found:
            return None
        return LocationFix(found[0].ref, found[0].time, None, Site(found[0].data.lat, found[0].data.lon))

    def on_site(r: Report) -> bool:
        return asked.site is not None and distance_m(Site(r.data.lat, r.data.lon), asked.site) <= rules.radius_m

    near = [r for r in valid if asked.time - rules.before <= r.time <= asked.time + rules.after]
    near.sort(key=lambda r: (abs(r.time - asked.time), *r.order))
    mocked = [r for r in kept if r.data.mocked and abs(r.time - asked.time) <= rules.mocked_window]
    stays = [
        r
        for r in valid
        if asked.stay
        and rules.stay <= r.time - asked.time <= rules.linger
        and on_site(r)
        and not any(asked.time < other.time < r.time and not on_site(other) for other in valid)
    ]
    return PresenceAnswer(asked, fix(near), fix(mocked), fix(stays))


def play(steps: Iterable[Step]) -> dict[tuple[str, str], PresenceAnswer]:
    """Feed a track and return the last answer to each query; the steps "answer" and "dump" do just that."""
    track = Track("p1")
    last: dict[tuple[str, str], PresenceAnswer] = {}
    for step in [*steps, "answer"]:
        if isinstance(step, PresenceQuery):
            track.query(step)
        elif isinstance(step, Event):
            track.add_report(step, POLICY)
        elif step == "dump":
            track = Track.load(track.dump())
        else:
            last.update({(r.query.case_id, r.query.fact): r for r in track.new_answers()})
    return last


@settings(max_examples=300, deadline=None)
@given(st.data(), DISTINCT_REPORTS, DISTINCT_QUERIES)
def test_answers_depend_on_the_set_of_reports_not_on_order_or_batching(
    data: st.DataObject, reports: list[Report], asked: list[PresenceQuery]
) -> None:
    breaks: list[Step] = ["answer", "answer", "dump"]
    steps = data.draw(st.permutations([*reports, *asked, *breaks]))
    assert play(steps) == {(m.case_id, m.fact): expected(reports, m, POLICY) for m in asked}


@settings(max_examples=200, deadline=None)
@given(st.data(), DISTINCT_REPORTS, DISTINCT_QUERIES)
def test_a_query_that_comes_before_a_report_beyond_its_retention_is_answered_in_full(
    data: st.DataObject, reports: list[Report], asked: list[PresenceQuery]
) -> None:
    later = report(RETENTION + 3 * HOUR, source="/later")
    steps: list[Step] = data.draw(st.permutations([*reports, *asked, *asked, later, "dump"]))
    in_time = steps[: steps.index(later)]
    answers = play(steps)
    for each in asked:
        answer = answers[each.case_id, each.fact]
        assert answer.too_late if each not in in_time else answer == expected(reports, each, POLICY)


@settings(max_examples=200, deadline=None)
@given(st.one_of(DISTINCT_REPORTS, CROWDS).flatmap(reordered))
@example(([*CROWD], [*reversed(CROWD), *CROWD]))
@example(([*CROWD], [*CROWD, *CROWD]))
def test_kept_reports_do_not_depend_on_their_order(orders: tuple[list[Report], list[Report]]) -> None:
    first, second = (track_of(*reports) for reports in orders)
    first.new_travel_alerts(), second.new_travel_alerts()  # the candidates on the way may differ
    first.emitted_alerts, second.emitted_alerts = {}, {}
    assert first.dump() == second.dump()


@settings(max_examples=100, deadline=None)
@given(st.data(), DISTINCT_REPORTS)
def test_travel_alerts_at_the_end_do_not_depend_on_the_order(data: st.DataObject, reports: list[Report]) -> None:
    found = []
    for order in (reports, data.draw(st.permutations(reports))):
        track = Track("p1")
        for each in order:
            track.add_report(each, POLICY)
        found.append(track.new_travel_alerts())
    assert found[0] == found[1]


@settings(max_examples=100, deadline=None)
@given(DISTINCT_REPORTS)
def test_reports_far_from_every_query_change_no_answer(reports: list[Report]) -> None:
    track = Track("p1")
    track.query(query(-24 * HOUR, stay=True))
    track.new_answers()
    for each in reports:
        track.add_report(each, POLICY)
        assert track.new_answers() == ()
