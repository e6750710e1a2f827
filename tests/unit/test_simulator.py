"""The simulator: same options, same bytes; every branch occurs; well-formed events are accepted."""

import gzip
import hashlib
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import phonenumbers
import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage, UsageError
from schemas.timestamps import format_instant, parse_instant
from streams.simulator.cities import CITY_RADIUS_M, all_cities
from streams.simulator.delivery import DeliveryCounts
from streams.simulator.malformed import DEFECTS, Defect, corrupt
from streams.simulator.options import DEFAULT_START_AT, SimulatorOptions
from streams.simulator.people import draw_person, spell_phone
from streams.simulator.planning import BRANCHES, chosen_cities, make_plan, share_out
from streams.simulator.points import PlanePoint
from streams.simulator.rng import Rng
from streams.simulator.sim_event import SimEvent
from streams.simulator.simulation import branch_of_cases, branch_shares, deliveries, script_job, simulate
from streams.simulator.trace import Trip, read_trips

SMALL = SimulatorOptions(jobs=60, seed=7, report_interval_s=60)
CLEAN = replace(SMALL, malformed_share=0)
BEIJING = PlanePoint(39.984094, 116.319236)


def write_trace(path: Path, *, points: int = 120, header: str = "lat,lng,datetime,uid") -> Path:
    """Write a drive of 30 m every 3 s, compressed if the name ends with .gz."""
    rows = [header]
    for number in range(points):
        place = BEIJING.moved(30.0 * number, 4.0 * (number % 5))
        rows.append(f"{place.lat:.6f},{place.lon:.6f},2008-10-23 05:{number * 3 // 60:02d}:{number * 3 % 60:02d},001")
    text = "\n".join(rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def reported_places(lines: list[bytes]) -> dict[str, PlanePoint]:
    events = [json.loads(line) for line in lines]
    return {
        event["id"]: PlanePoint(event["data"]["lat"], event["data"]["lon"])
        for event in events
        if event["type"] == "location.reported"
    }


def test_same_options_give_same_bytes() -> None:
    assert list(simulate(SMALL)) == list(simulate(SMALL))


def test_a_seed_gives_known_bytes() -> None:
    # fails if Python or the simulator draws in another order
    first, *_ = lines = list(simulate(SimulatorOptions(jobs=5, seed=1)))
    booked = json.loads(first)
    assert (booked["type"], booked["subject"], booked["time"]) == (
        "job.booked",
        "job-d1d193-000001",
        "2025-01-05T20:47:00Z",
    )
    assert (booked["data"]["city"], booked["data"]["site"]) == ("PUNE", {"lat": 18.606368, "lon": 73.788651})
    assert (len(lines), hashlib.sha256(b"\n".join(lines)).hexdigest()[:16]) == (736, "35283612d8d19dc4")


NAMES = {"job_id", "partner_id", "claimed_partner_id", "customer_id", "ticket_id"}
OTHER_RUNS = [replace(SMALL, seed=8), replace(SMALL, start_at=DEFAULT_START_AT + 86_400_000_000)]


@pytest.mark.parametrize("other", OTHER_RUNS, ids=["seed", "start"])
def test_runs_with_another_seed_or_start_have_no_id_in_common(other: SimulatorOptions) -> None:
    def ids(options: SimulatorOptions) -> set[str]:
        """Return all that identifies an event, its subject, or a job, partner, customer or ticket in its data."""
        events = [json.loads(line) for line in simulate(replace(options, malformed_share=0))]
        named = {str(value) for event in events for name, value in event["data"].items() if name in NAMES}
        return named | {event["id"] for event in events} | {event["subject"] for event in events}

    assert not ids(SMALL) & ids(other)


def test_the_default_day_is_fixed() -> None:
    assert format_instant(SimulatorOptions().start_at) == "2025-01-05T18:30:00Z"


@pytest.mark.parametrize("other", [*OTHER_RUNS, replace(SMALL, late_share=0.2)], ids=["seed", "start", "late share"])
def test_other_options_give_other_bytes(other: SimulatorOptions) -> None:
    assert list(simulate(other)) != list(simulate(SMALL))


@pytest.mark.parametrize("seed", [1, 2])
def test_two_thousand_jobs_include_every_branch(seed: int) -> None:
    cases = Counter(branch_of_cases(SimulatorOptions(jobs=2_000, seed=seed)).values())
    assert set(cases) == {branch.name for branch in BRANCHES}


def test_shown_shares_match_the_cases() -> None:
    shares = branch_shares(SMALL)
    counted = Counter(branch_of_cases(SMALL).values())
    assert {share.name: share.jobs for share in shares if share.jobs} == counted
    assert sum(share.jobs for share in shares) == SMALL.jobs
    assert sum(share.share for share in shares) == pytest.approx(1)


@pytest.mark.parametrize("jobs", [1, 7, 100, 2_001])
def test_shared_out_jobs_add_up(jobs: int) -> None:
    assert sum(share_out(jobs, list(all_cities().values())).values()) == jobs


def test_branches_that_fit_no_chosen_city_are_left_out() -> None:
    options = SimulatorOptions(jobs=500, cities=("Jaipur",))
    assert {job.city.name for job in make_plan(options).jobs} == {"Jaipur"}
    assert not {"park_overdue", "bpc_only_cancelled"} & set(share_out(500, chosen_cities(options)))


def test_branch_names_are_unique() -> None:
    assert max(Counter(branch.name for branch in BRANCHES).values()) == 1


def test_every_well_formed_event_is_accepted_and_has_a_valid_subject() -> None:
    cases = set(branch_of_cases(CLEAN))
    for line in simulate(CLEAN):
        event = decode_record(line, None, Limits())
        if event.type == "location.reported":
            assert event.subject.startswith("partner-")
        else:
            assert event.subject in cases


def test_events_are_delivered_in_order_of_arrival_and_never_before_they_happen() -> None:
    delivered = list(deliveries(CLEAN))
    assert all(first.arrive_at <= second.arrive_at for first, second in pairwise(delivered))
    times = [parse_instant(json.loads(delivery.line)["time"]) for delivery in delivered]
    assert all(time <= delivery.arrive_at for time, delivery in zip(times, delivered, strict=True))
    assert any(first > second for first, second in pairwise(times))


def test_the_shares_of_late_duplicate_and_malformed_events_are_as_given() -> None:
    counts = DeliveryCounts()
    options = SimulatorOptions(
        jobs=200, report_interval_s=60, late_share=0.1, duplicate_share=0.05, malformed_share=0.02
    )
    lines = list(simulate(options, counts))
    events = counts.lines - counts.duplicates - counts.defects.total()
    assert len(lines) == counts.lines
    assert counts.late / events == pytest.approx(0.1, rel=0.1)
    assert counts.duplicates / events == pytest.approx(0.05, rel=0.15)
    assert counts.defects.total() / events == pytest.approx(0.02, rel=0.25)
    assert set(counts.defects) == set(DEFECTS)


def test_with_zero_shares_no_event_is_late_duplicate_or_malformed() -> None:
    counts = DeliveryCounts()
    options = SimulatorOptions(jobs=40, late_share=0, duplicate_share=0, malformed_share=0)
    identities = Counter((event["source"], event["id"]) for event in map(json.loads, simulate(options, counts)))
    assert (counts.late, counts.duplicates, counts.defects.total()) == (0, 0, 0)
    assert max(identities.values()) == 1


REPORT = SimEvent(
    1_800_000_000_000_000,
    "/apps/partner",
    "partner-0001-000001",
    "location.reported",
    "partner-0001",
    {"lat": 19.1, "lon": 72.9, "accuracy_m": 8.0},
)
CLOSING = SimEvent(1_800_000_000_000_000, "/desk", "job-1-09", "ticket.closed", "job-1", {"ticket_id": "TKT-0000011"})


@pytest.mark.parametrize("sim_event", [REPORT, CLOSING], ids=["report", "closing"])
@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        ("invalid_json", "value"),
        ("missing_field", "data."),
        ("ill_typed", "data."),
        ("unknown_type", "type"),
        ("unusable_time", "time"),
    ],
)
def test_a_malformed_event_is_refused_for_its_defect(sim_event: SimEvent, defect: Defect, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^{reason}"):
        decode_record(corrupt(sim_event, defect, Rng("spoil", defect)), None, Limits())


@pytest.mark.parametrize(("sim_event", "reason"), [(REPORT, "data.lat"), (CLOSING, "id")])
def test_a_value_out_of_range_is_refused(sim_event: SimEvent, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^{reason}"):
        decode_record(corrupt(sim_event, "out_of_range", Rng("spoil")), None, Limits())


def test_a_conflict_has_the_identity_but_not_the_content() -> None:
    event = decode_record(REPORT.line(indian_time=False), None, Limits())
    twin = decode_record(corrupt(REPORT, "conflict", Rng("spoil")), None, Limits())
    assert twin.identity == event.identity
    assert twin.digest != event.digest


def test_both_utc_offsets_give_the_same_instant() -> None:
    indian = decode_record(REPORT.line(indian_time=True), None, Limits())
    utc = decode_record(REPORT.line(indian_time=False), None, Limits())
    assert b"+05:30" in REPORT.line(indian_time=True)
    assert indian.digest == utc.digest


def test_every_branch_has_only_valid_events_with_known_fields() -> None:
    # decoding ignores unknown fields, so compare the names with those of the decoded data
    branches = set()
    for job in make_plan(SimulatorOptions(jobs=1_200, seed=4)).jobs:
        for sim_event in script_job(job, 4).sim_events:
            event = decode_record(sim_event.line(indian_time=False), None, Limits())
            assert set(sim_event.data) <= set(event.data.__struct_fields__)
        branches.add(job.branch.name)
    assert branches == {branch.name for branch in BRANCHES}


def test_sites_lie_in_their_city() -> None:
    for job in make_plan(SimulatorOptions(jobs=300, seed=2)).jobs:
        assert job.city.centre.distance_m(job.site) < CITY_RADIUS_M + 10_000


def test_partners_are_at_one_place_at_a_time_and_have_time_to_travel() -> None:
    for roster in make_plan(SimulatorOptions(jobs=600, seed=2, days=2)).rosters:
        for one, next_one in pairwise(roster.stops):
            gap_s = (next_one.arrive_at - one.leave_at) / 1_000_000
            assert gap_s > 0
            assert one.place.distance_m(next_one.place) / gap_s < 10


def test_phones_are_valid_in_every_spelling() -> None:
    rng = Rng("phones")
    for _ in range(300):
        person = draw_person(rng)
        spelt = phonenumbers.parse(spell_phone(person.phone, rng), "IN")
        assert phonenumbers.is_valid_number(spelt)
        assert spelt == phonenumbers.parse(f"+91{person.phone}", "IN")


def test_demand_peaks_before_noon() -> None:
    plan = make_plan(SimulatorOptions(jobs=2_000))
    hours = Counter((job.scheduled_at - DEFAULT_START_AT) // 3_600_000_000 for job in plan.jobs)
    assert set(hours) <= set(range(8, 20))
    assert hours[10] > 2 * hours[8]


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_trip_is_moved_to_its_end_without_distortion(tmp_path: Path, name: str) -> None:
    (trip,) = read_trips(write_trace(tmp_path / name))
    end, start = PlanePoint(19.07, 72.88), PlanePoint(19.20, 72.95)
    moved = [place for _, place in trip.ending_at(end, start)]
    recorded = [PlanePoint(39.98, 116.3).moved(east, north) for _, east, north in trip.steps]
    assert moved[-1] == end
    for (one, two), (was_one, was_two) in zip(pairwise(moved), pairwise(recorded), strict=True):
        assert one.distance_m(two) == pytest.approx(was_one.distance_m(was_two), rel=0.01)


def test_a_moved_trip_comes_from_the_given_direction() -> None:
    trip = Trip(((-60, -900.0, 0.0), (0, 0.0, 0.0)))
    end = PlanePoint(13.0, 77.6)
    first = trip.ending_at(end, end.moved(0.0, 5_000.0))[0][1]
    assert end.offset_to_m(first) == pytest.approx((0.0, 900.0), abs=0.5)


def test_partners_follow_the_trace_within_their_city(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.csv")
    options = SimulatorOptions(jobs=40, seed=5, cities=("Pune",), malformed_share=0, trace_file=trace)
    traced = reported_places(list(simulate(options)))
    untraced = reported_places(list(simulate(SimulatorOptions(jobs=40, seed=5, cities=("Pune",), malformed_share=0))))
    assert traced != untraced
    centre = all_cities()["Pune"].centre
    assert all(centre.distance_m(place) < 2 * CITY_RADIUS_M for place in traced.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latitude,longitude\n1,2\n", "line 1: the columns must be lat,lng,datetime,uid"),
        ("lat,lng,datetime,uid\n1,2,2008-10-23 05:53:05,1\nx,2,2008-10-23 05:53:09,1\n", "line 3: "),
        ("lat,lng,datetime,uid\n91,2,2008-10-23 05:53:05,1\n", "line 2: 91,2 is no place on Earth"),
        ("lat,lng,datetime,uid\nnan,2,2008-10-23 05:53:05,1\n", "line 2: nan,2 is no place on Earth"),
        ("lat,lng,datetime,uid\n1,2,soon,1\n", "line 2: "),
        ("lat,lng,datetime,uid\n1,2\n", "line 2: too few columns"),
        ("lat,lng,datetime,uid\n1,2,2008-10-23 05:53:05,1\n", "no trip"),
        ("", "line 1: the columns must be"),
    ],
)
def test_a_malformed_trace_is_reported_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        deliveries(SimulatorOptions(jobs=1, trace_file=path))
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"no gzip", gzip.compress(b"lat,lng", mtime=0)[:-9], b"\x1f\x8b\x08"])
def test_an_unreadable_trace_is_reported_with_its_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trace.csv.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"trace\.csv\.gz: cannot be read"):
        deliveries(SimulatorOptions(jobs=1, trace_file=path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must lie between 1 and 1000000, not 0"),
        ({"days": 0}, "days must"),
        ({"late_share": 0.6}, "late share must"),
        ({"duplicate_share": -0.1}, "duplicate share must"),
        ({"malformed_share": float("nan")}, "malformed share must"),
        ({"report_interval_s": 61}, "report interval"),
        ({"start_at": -1}, "the start must"),
        ({"cities": ("Atlantis",)}, "city 'Atlantis' is not known"),
    ],
)
def test_unusable_options_are_refused_with_the_reason(options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        SimulatorOptions(**options)  # type: ignore[arg-type]
