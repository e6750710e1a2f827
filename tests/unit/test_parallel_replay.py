"""A replay on several processes writes what one writes, to the byte, and says so when one of them is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator

import pytest

from schemas.encoding import encode_message
from schemas.errors import Fatal
from schemas.limits import Limits
from schemas.policy import Policy, PolicySet
from streams.replay.parallel import can_fork, lines_on
from streams.replay.recorded import Recorded, Settled, settle
from streams.replay.replay import Replay
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate
from tests.scenario import Scenario

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")

POLICIES = PolicySet((), Policy())


def impossible(partners: Iterable[str]) -> Iterator[bytes]:
    """Yield for each partner two reports, ten seconds and a hundred kilometres apart."""
    for partner in partners:
        for second, lat in ((10, 28.5), (20, 29.5)):
            report: dict[str, object] = {"lat": lat, "lon": 77.1, "accuracy_m": 5}
            whole: dict[str, object] = {
                "specversion": "1.0",
                "id": f"{partner}-{second}",
                "source": "/far",
                "type": "location.reported",
            }
            whole |= {"subject": partner, "time": f"2026-11-16T12:00:{second}Z", "data": report}
            yield json.dumps(whole).encode()


@pytest.fixture(scope="module")
def settled() -> Settled:
    options = SimulatorOptions(jobs=60, seed=3, duplicate_share=0.05, malformed_share=0.02)
    lines = [*simulate(options), *impossible(f"partner-{number:04d}" for number in range(1, 30))]
    records = [Recorded("day.jsonl", 0, number, line) for number, line in enumerate(lines, 1)]
    return settle(records, Limits())


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_any_number_of_processes_writes_the_same(settled: Settled, processes: int) -> None:
    alone = Replay(POLICIES, facts_per_case_max=99).run(settled.events)
    shared = lines_on(processes, settled.events, POLICIES, facts_per_case_max=99, until=None)
    assert list(shared) == list(map(encode_message, alone))


def test_what_is_said_of_partners_is_said_once(settled: Settled) -> None:
    lines = list(lines_on(3, settled.events, POLICIES, facts_per_case_max=99, until=None))
    travels = [line for line in lines if b"impossible_travel" in line]
    assert len(travels) >= 29
    assert len(set(travels)) == len(travels)


def test_the_end_of_the_clock_counts_for_all(settled: Settled) -> None:
    until = max(event.time for event in settled.events) + 10**12
    alone = Replay(POLICIES, facts_per_case_max=99).run(settled.events, until)
    shared = lines_on(2, settled.events, POLICIES, facts_per_case_max=99, until=until)
    assert list(shared) == list(map(encode_message, alone))


class Fatality(PolicySet):
    """Ends the process that asks it."""

    def at(self, time: int | None) -> Policy:  # noqa: ARG002 - whatever the time
        os._exit(1)


def test_a_process_that_is_lost_is_not_taken_for_one_that_is_done(settled: Settled) -> None:
    with pytest.raises(Fatal, match="ended before it was done"):
        list(lines_on(2, settled.events, Fatality((), Policy()), facts_per_case_max=99, until=None))


def test_a_partner_is_followed_for_cases_elsewhere_and_told_of_once() -> None:
    case = Scenario().booked("08:00")
    for number in range(1, 7):
        partner, hour = f"p{number}", 8 + number
        case.assigned(f"{hour:02}:00", partner).report(f"{hour:02}:10", 3_000, partner=partner)
        case.report(f"{hour:02}:11", 90_000, partner=partner).ticket(f"{hour:02}:10", f"t{number}", partner_id=partner)
    events = case.events()
    alone = list(map(encode_message, Replay(POLICIES, facts_per_case_max=99).run(events)))
    assert sum(b"impossible_travel" in line for line in alone) == 6
    assert sum(b"ticket_outside_geofence" in line for line in alone) >= 5
    assert list(lines_on(3, events, POLICIES, facts_per_case_max=99, until=None)) == alone
