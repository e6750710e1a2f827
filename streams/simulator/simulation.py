"""Simulates days of home services in cities: from options to lines of events, the same for the same options."""

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from streams.simulator.delivery import Delivery, DeliveryCounts, deliver
from streams.simulator.job import Job
from streams.simulator.location_reports import reports
from streams.simulator.options import SimulatorOptions
from streams.simulator.planning import BRANCHES, chosen_cities, make_plan, share_out
from streams.simulator.rng import Rng
from streams.simulator.sim_event import SimEvent
from streams.simulator.story import Story
from streams.simulator.trace import read_trips

_ANY: Final = re.compile(r"\*(\[[^]]*\])?")
"""A pattern in `Branch.leads_to`."""


@dataclass(frozen=True, slots=True)
class BranchShare:
    """How many jobs follow a branch, their share of all jobs (0 to 1), and what the rules conclude."""

    name: str
    jobs: int
    share: float
    leads_to: str


def simulate(options: SimulatorOptions, counts: DeliveryCounts | None = None) -> Iterator[bytes]:
    """Return the lines (JSON, without line breaks) in order of arrival, and count them in `counts` as they are read.

    Raises `UsageError` if the trace cannot be used.
    """
    return (delivery.line for delivery in deliveries(options, counts))


def deliveries(options: SimulatorOptions, counts: DeliveryCounts | None = None) -> Iterator[Delivery]:
    """Return the lines of `simulate` with arrival time, key, and the event type that decides the topic."""
    trips = read_trips(options.trace_file) if options.trace_file else ()
    plan = make_plan(options)
    devices = (reports(roster, options, trips) for roster in plan.rosters)
    sim_events = heapq.merge(_job_events(plan.jobs, options.seed), *devices, key=attrgetter("time"))
    return deliver(sim_events, options, counts or DeliveryCounts())


def branch_shares(options: SimulatorOptions) -> list[BranchShare]:
    """Return the share of every branch; the jobs add up to `options.jobs`."""
    counts = share_out(options.jobs, chosen_cities(options))
    return [
        BranchShare(
            branch.name,
            counts[branch.name],
            counts[branch.name] / options.jobs,
            _ANY.sub("…", "; ".join(branch.leads_to)) or "nothing to decide",
        )
        for branch in BRANCHES
        if branch.name in counts
    ]


def branch_of_cases(options: SimulatorOptions) -> dict[str, str]:
    """Return the name of the branch of each case id."""
    return {script_job(job, options.seed).case_id: job.branch.name for job in make_plan(options).jobs}


def script_job(job: Job, seed: int) -> Story:
    """Return the story of a job: its case id and its events."""
    story = Story(job, Rng(seed, "story", job.number))
    for step in job.branch.script:
        step(story)
    return story


def _job_events(jobs: Iterable[Job], seed: int) -> Iterator[SimEvent]:
    """Yield the events of all jobs (in order of booking), earliest first; stories are made only when needed."""
    waiting: list[tuple[int, int, int, SimEvent]] = []
    for job in jobs:
        while waiting and waiting[0][0] < job.booked_at:
            yield heapq.heappop(waiting)[3]
        for index, sim_event in enumerate(script_job(job, seed).sim_events):
            heapq.heappush(waiting, (sim_event.time, job.number, index, sim_event))
    while waiting:
        yield heapq.heappop(waiting)[3]
