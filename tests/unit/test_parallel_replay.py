"""A replay on several processes writes the same bytes as on one, and fails if a process is lost."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from schemas.codec.limits import Limits
from schemas.errors import Fatal, UsageError
from schemas.policy.model import HOUR, Policy, PolicySet
from streams.config.settings import Settings
from streams.replay.input_record import InputRecord
from streams.replay.inputs import RereadableInputs
from streams.replay.parallel import can_fork, replay_in_parallel
from streams.replay.replay import ReplayResult, ReplaySettings, replay_sequentially
from streams.simulator.options import DEFAULT_START_AT, SimulatorOptions
from streams.simulator.simulation import simulate

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")

SETTINGS = ReplaySettings(policies=PolicySet((), Policy()), limits=Limits(), facts_per_case_max=99)


def envelope(event_type: str, subject: str, event_id: str, time: str = "12:00:00", **data: object) -> bytes:
    """Return an event as a line of JSON."""
    whole: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": "/s", "type": event_type}
    return json.dumps(whole | {"subject": subject, "time": f"2026-11-16T{time}Z", "data": data}).encode()


def report(partner: str, event_id: str, time: str = "12:00:00", lat: float = 28.5) -> bytes:
    return envelope("location.reported", partner, event_id, time, lat=lat, lon=77.1, accuracy_m=5)


def impossible_travel(partners: Iterable[str]) -> Iterator[bytes]:
    """Yield for each partner two reports, ten seconds and a hundred kilometres apart."""
    for partner in partners:
        yield report(partner, f"{partner}-10", "12:00:10")
        yield report(partner, f"{partner}-20", "12:00:20", 29.5)


def records(lines: Iterable[bytes]) -> list[InputRecord]:
    return [InputRecord("day.jsonl", 0, number, line) for number, line in enumerate(lines, 1)]


def contents(result: ReplayResult) -> tuple[int, int, int, int, list[bytes]]:
    return result.events, result.duplicates, result.refused, result.cases, list(result.lines)


def on(
    processes: int, recorded: Iterable[InputRecord], settings: ReplaySettings = SETTINGS
) -> tuple[int, int, int, int, list[bytes]]:
    with replay_in_parallel(processes, recorded, settings) as result:
        return contents(result)


def assert_same_on_several(lines: Iterable[bytes], settings: ReplaySettings = SETTINGS) -> ReplayResult:
    """Assert that one, two and three processes give the same result; return it."""
    recorded = records(lines)
    alone = contents(replay_sequentially(recorded, settings))
    for processes in (1, 2, 3):
        assert on(processes, recorded, settings) == alone
    return replay_sequentially(recorded, settings)


@pytest.fixture(scope="module")
def day() -> list[bytes]:
    options = SimulatorOptions(jobs=60, seed=3, duplicate_share=0.05, malformed_share=0.02)
    return [*simulate(options), *impossible_travel(f"partner-{number:04d}" for number in range(1, 30))]


def test_any_number_of_processes_writes_the_same(day: list[bytes]) -> None:
    result = assert_same_on_several(day)
    assert result.duplicates
    assert result.refused


def test_alerts_about_partners_are_written_once(day: list[bytes]) -> None:
    travels = [line for line in on(3, records(day))[-1] if b"impossible_travel" in line]
    assert len(travels) >= 29
    assert len(set(travels)) == len(travels)


def test_the_clock_ends_for_all_processes(day: list[bytes]) -> None:
    ends = [DEFAULT_START_AT + 9 * HOUR, DEFAULT_START_AT + 14 * 24 * HOUR]
    results = [assert_same_on_several(day, replace(SETTINGS, until=end)) for end in ends]
    assert results[0].cases < results[1].cases


def test_the_limit_of_facts_per_case_gives_the_same_result(day: list[bytes]) -> None:
    result = assert_same_on_several(day, replace(SETTINGS, facts_per_case_max=3))
    assert result.refused > assert_same_on_several(day).refused


def test_an_empty_input_gives_nothing() -> None:
    assert contents(assert_same_on_several([])) == (0, 0, 0, 0, [])
    assert contents(assert_same_on_several([b"x"]))[:4] == (0, 0, 1, 0)


SAME_IDENTITY: dict[str, Sequence[bytes]] = {
    "two partners": [report("p1", "x"), report("p2", "x"), report("p1", "x"), report("p3", "y")],
    "a partner twice": [report("p1", "x"), report("p2", "y"), report("p1", "x"), report("p1", "x", lat=1)],
    "a report, then a fact": [report("p1", "x"), envelope("job.started", "j", "x", partner_id="p2")],
    "a fact, then a report": [envelope("job.started", "j", "x", partner_id="p2"), report("p1", "x")],
    "a refused report first": [report("p1", "x", lat=91), report("p2", "x"), report("p1", "x")],
    "a refused fact between": [report("p1", "x"), envelope("job.started", "j", "x"), report("p2", "x")],
    "a report with an escaped name": [report("p1", "x"), report("p1", "x").replace(b"subject", b"\\u0073ubject")],
    "a duplicate member": [report("p1", "x"), report("p2", "x")[:-1] + b', "subject": "p1"}'],
}


@pytest.mark.parametrize("lines", SAME_IDENTITY.values(), ids=SAME_IDENTITY)
def test_identities_are_compared_across_the_whole_input(lines: Sequence[bytes]) -> None:
    """The order of the dead letters shows which record came first."""
    result = assert_same_on_several([*impossible_travel(["p1", "p2"]), b"{}", *lines, report("p2", "z", lat=91)])
    assert result.duplicates + result.refused >= 3


def test_a_partner_named_by_another_process_s_case_is_alerted_on_once() -> None:
    site = {"lat": 28.5, "lon": 77.1}
    booked: dict[str, object] = {"customer_id": "c", "category": "ac", "city": "Delhi", "site": site}
    lines = [envelope("job.booked", "j", "b", "08:00:00", **booked, premises="residential", scheduled_for="later")]
    for number in range(1, 7):
        partner, hour = f"p{number}", f"{8 + number:02}"
        lines.append(envelope("job.assigned", "j", f"a{number}", f"{hour}:00:00", partner_id=partner))
        lines.append(report(partner, f"r{number}", f"{hour}:10:00", 28.53))
        lines.append(report(partner, f"s{number}", f"{hour}:11:00", 29.3))
        ticket: dict[str, object] = {"ticket_id": f"t{number}", "kind": "out_of_scope", "opened_by": "partner"}
        lines.append(envelope("ticket.created", "j", f"t{number}", f"{hour}:10:00", **ticket, partner_id=partner))
    written = list(assert_same_on_several(lines).lines)
    assert sum(b'"impossible_travel"' in line for line in written) == 6
    assert sum(b'"ticket_outside_geofence"' in line for line in written) >= 5


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("packed", PACKED)
def test_each_process_reads_the_files_again(tmp_path: Path, day: list[bytes], packed: str) -> None:
    half = len(day) // 2
    names = [str(tmp_path / f"{part}.jsonl{packed}") for part in (1, 2)]
    for name, lines in zip(names, (day[:half], day[half:]), strict=True):
        Path(name).write_bytes(PACKED[packed](b"".join(line + b"\n" for line in lines)))
    inputs = RereadableInputs(names, Settings())
    assert on(2, inputs) == contents(replay_sequentially(inputs, SETTINGS))


class Changing:
    """An input with different records each time it is read."""

    def __init__(self, *times: list[bytes]) -> None:
        self._times = iter(times)

    def __iter__(self) -> Iterator[InputRecord]:
        return iter(records(next(self._times)))


def test_records_appended_during_the_replay_are_ignored(day: list[bytes]) -> None:
    growing = Changing(day[:-9], *[day] * 2)
    assert on(2, growing) == contents(replay_sequentially(records(day[:-9]), SETTINGS))


@pytest.mark.parametrize("second", ["x", "y"], ids=["one identity", "two identities"])
def test_an_input_that_became_shorter_is_refused(second: str) -> None:
    lines = [report("p1", "x"), report("p2", second)]
    with pytest.raises(UsageError, match="shorter"):
        on(2, Changing(lines, lines[:1]))


class ExitingPolicies(PolicySet):
    """Ends the process that uses it."""

    def at(self, time: int | None) -> Policy:  # noqa: ARG002 - the base class's signature
        os._exit(1)


def test_a_lost_process_is_an_error(day: list[bytes]) -> None:
    settings = replace(SETTINGS, policies=ExitingPolicies((), Policy()))
    with pytest.raises(Fatal, match="ended before it was done"):
        on(2, records(day), settings)


class ExitingRecords(list[InputRecord]):
    """Records that end a child process when it reads them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        super().__init__(records(lines))
        self._process = os.getpid()

    def __iter__(self) -> Iterator[InputRecord]:
        if os.getpid() != self._process:
            os._exit(1)
        return super().__iter__()


def test_a_process_lost_while_it_reads_is_an_error(day: list[bytes]) -> None:
    with pytest.raises(Fatal, match="ended before it was done"):
        on(2, ExitingRecords(day))


FAR = report("p1", "far").replace(b"2026-11-16", b"2045-07-07")
NOON = 1_794_830_400_000_000


@pytest.mark.parametrize("processes", [1, 2])
def test_an_event_in_the_future_is_a_dead_letter_and_does_not_move_the_clock(processes: int) -> None:
    lines = [report("p1", "near"), *impossible_travel(["p2"])]
    settings = replace(SETTINGS, now=NOON)
    _, _, refused, _, written = on(processes, records([*lines, FAR]), settings)
    assert refused == 1
    assert b"time: too far in the future" in written[0]
    assert written[1:] == on(processes, records(lines), settings)[4]


@pytest.mark.parametrize(("time", "refused"), [("13:00:00", 0), ("13:00:00.000001", 1)])
def test_an_event_up_to_an_hour_in_the_future_is_accepted(time: str, refused: int) -> None:
    assert contents(replay_sequentially(records([report("p1", "a", time)]), replace(SETTINGS, now=NOON)))[2] == refused


def test_with_a_fixed_end_events_in_the_future_are_not_refused() -> None:
    result = contents(replay_sequentially(records([report("p1", "near"), FAR]), replace(SETTINGS, until=NOON)))
    assert result[:3] == (2, 0, 0)
