"""Plans the jobs of a simulation: when and where, which branch each follows, which partner does it."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.simulator.branch import BPC_ONLY_CITIES, BPC_ONLY_GROUP, Branch, DeviceSignal
from streams.simulator.branches import BRANCHES, share_out
from streams.simulator.cities import SimCity, all_cities
from streams.simulator.job import Job, Partner
from streams.simulator.options import SimulatorOptions
from streams.simulator.people import draw_person
from streams.simulator.points import PlanePoint
from streams.simulator.rng import Rng
from streams.simulator.sim_event import MINUTE_US

# weight of each hour at which jobs are scheduled: a peak before noon, a smaller one in the evening
DEMAND_BY_HOUR: Final = {
    8: 4, 9: 9, 10: 13, 11: 12, 12: 9, 13: 6, 14: 6, 15: 7, 16: 9, 17: 11, 18: 9, 19: 5
}  # fmt: skip
CATEGORIES: Final = {
    "ac": 34, "ro": 17, "washing_machine": 18, "refrigerator": 14, "microwave": 5, "geyser": 6, "television": 6
}  # fmt: skip
SLOWEST_M_PER_S: Final = 5.0
JOBS_PER_DAY_MAX: Final = 6
SECOND_STAY_MIN: Final = 60
# begin and end of a stop elsewhere before a visit, in minutes before the arrival at the site
DETOUR_MIN: Final = (45, 24)


class PlannedStop(NamedTuple):
    """A partner's stay at a place, in microseconds since the epoch, with the device's signal."""

    arrive_at: int
    leave_at: int
    place: PlanePoint
    signal: DeviceSignal
    job_id: str


@dataclass(slots=True)
class Roster:
    """A partner's stops in time order."""

    partner: Partner
    stops: list[PlannedStop] = field(default_factory=list)

    def can_reach(self, place: PlanePoint, arrive_at: int) -> bool:
        """Return whether the partner can be at `place` in time and may take another job that day."""
        if not self.stops:
            return True
        last = self.stops[-1]
        today = arrive_at - 12 * 60 * MINUTE_US
        if sum(stop.arrive_at > today for stop in self.stops[-JOBS_PER_DAY_MAX:]) >= JOBS_PER_DAY_MAX:
            return False
        travel_us = int(last.place.distance_m(place) / SLOWEST_M_PER_S * 1_000_000)
        return last.leave_at + travel_us + 5 * MINUTE_US <= arrive_at


@dataclass(slots=True)
class SimulationPlan:
    """All jobs in order of booking, and the rosters of all partners."""

    jobs: list[Job]
    rosters: list[Roster]


@dataclass(slots=True)
class _Draft:
    """A job before it has a number and a partner."""

    branch: Branch
    job: Job
    group: str


def make_plan(options: SimulatorOptions) -> SimulationPlan:
    """Return the plan for `options`; the same options give the same plan."""
    cities = chosen_cities(options)
    counts = share_out(options.jobs, cities)
    by_name = {branch.name: branch for branch in BRANCHES}
    deck = [by_name[name] for name, count in counts.items() for _ in range(count)]
    deck = Rng(options.seed, "deck").shuffled(deck)
    drafts = [_draft(options, cities, branch, index) for index, branch in enumerate(deck)]
    drafts.sort(key=lambda draft: draft.job.booked_at)
    for number, draft in enumerate(drafts, 1):
        draft.job.number = number
    return SimulationPlan([draft.job for draft in drafts], _Dispatcher(options).assign(drafts))


def chosen_cities(options: SimulatorOptions) -> list[SimCity]:
    """Return the cities to simulate, in the order of the table."""
    return [city for city in all_cities().values() if not options.cities or city.name in options.cities]


def _draft(options: SimulatorOptions, cities: list[SimCity], branch: Branch, index: int) -> _Draft:
    rng = Rng(options.seed, "job", index)
    fitting = [city for city in cities if branch.fits(city)]
    city = rng.weighted(fitting, [each.weight for each in fitting])
    site = city.draw_place(rng)
    hour = rng.weighted(tuple(DEMAND_BY_HOUR), tuple(DEMAND_BY_HOUR.values()))
    day = rng.whole(0, options.days - 1)
    scheduled_at = options.start_at + ((day * 24 + hour) * 60 + rng.pick((0, 30))) * MINUTE_US
    arrive_at = scheduled_at + rng.whole(-10 * 60, 20 * 60) * 1_000_000
    bearing_east, bearing_north = rng.between(-1, 1), rng.pick((-1, 1))
    reach_m = rng.between(1_800, 3_400)
    group = branch.group
    if branch.name == "completed" and city.name in BPC_ONLY_CITIES and rng.chance(0.1):
        group = BPC_ONLY_GROUP
    job = Job(
        run=options.run,
        number=0,
        branch=branch.name,
        city=city,
        city_spelling=rng.pick(city.spellings) if rng.chance(0.06) else city.name,
        site=site,
        elsewhere=site.moved(bearing_east * reach_m, bearing_north * reach_m),
        category=branch.category or rng.weighted(tuple(CATEGORIES), tuple(CATEGORIES.values())),
        commercial_premises=branch.commercial_premises,
        commercial_appliance=branch.commercial_appliance,
        customer=draw_person(rng),
        booked_at=scheduled_at - rng.whole(120, 420) * MINUTE_US,
        scheduled_at=scheduled_at,
        arrive_at=arrive_at,
        leave_at=arrive_at + rng.whole(*branch.movement.stay_min) * MINUTE_US,
    )
    return _Draft(branch, job, group)


class _Dispatcher:
    """Assigns each job to the nearest partner who can be there in time, or hires one."""

    def __init__(self, options: SimulatorOptions) -> None:
        self._seed = options.seed
        self._run = options.run
        self._pools: dict[tuple[str, str, str], list[Roster]] = {}
        self._rosters: list[Roster] = []

    def assign(self, drafts: list[_Draft]) -> list[Roster]:
        """Set the partners of all drafts and return all rosters."""
        visits: list[tuple[int, int, _Draft, bool]] = []
        for index, draft in enumerate(drafts):
            first_us = DETOUR_MIN[0] * MINUTE_US if draft.branch.movement.destination == "elsewhere_then_site" else 0
            visits.append((draft.job.arrive_at - first_us, index, draft, False))
            if draft.branch.movement.second_after_min is not None:
                second_us = draft.branch.movement.second_after_min * MINUTE_US
                visits.append((draft.job.arrive_at + second_us, index, draft, True))
        for _, _, draft, second in sorted(visits, key=lambda visit: (visit[0], visit[1], visit[3])):
            self._visit(draft, second=second)
        return self._rosters

    def _visit(self, draft: _Draft, *, second: bool) -> None:
        job = draft.job
        stops = _second_stops(draft) if second else _first_stops(draft)
        place, arrive_at = (stops[0].place, stops[0].arrive_at) if stops else (job.site, job.arrive_at)
        excluded = job.partner if second else None
        roster = self._find(draft, place, arrive_at, excluded)
        roster.stops.extend(stops)
        if second:
            job.second = roster.partner
        else:
            job.partner = roster.partner

    def _find(self, draft: _Draft, place: PlanePoint, arrive_at: int, excluded: Partner | None) -> Roster:
        pool = self._pools.setdefault((draft.job.city.name, draft.job.category, draft.group), [])
        free = [each for each in pool if each.partner is not excluded and each.can_reach(place, arrive_at)]
        if free:
            return min(free, key=lambda each: _position(each).distance_m(place))
        roster = Roster(self._hire(draft))
        pool.append(roster)
        self._rosters.append(roster)
        return roster

    def _hire(self, draft: _Draft) -> Partner:
        number = 1 + len(self._rosters)
        rng = Rng(self._seed, "partner", number)
        return Partner(
            run=self._run,
            number=number,
            city=draft.job.city,
            category=draft.job.category,
            group=draft.group,
            person=draw_person(rng),
            home=draft.job.city.draw_place(rng),
        )


def _position(roster: Roster) -> PlanePoint:
    return roster.stops[-1].place if roster.stops else roster.partner.home


def _first_stops(draft: _Draft) -> list[PlannedStop]:
    job, movement = draft.job, draft.branch.movement
    stay = PlannedStop(job.arrive_at, job.leave_at, job.site, movement.signal, job.job_id)
    if movement.destination == "nowhere":
        return []
    if movement.destination == "elsewhere":
        return [stay._replace(place=job.elsewhere)]
    if movement.destination == "elsewhere_then_site":
        begin, end = (job.arrive_at - minutes * MINUTE_US for minutes in DETOUR_MIN)
        return [PlannedStop(begin, end, job.elsewhere, movement.signal, job.job_id), stay]
    return [stay]


def _second_stops(draft: _Draft) -> list[PlannedStop]:
    job, after_min = draft.job, draft.branch.movement.second_after_min or 0
    arrive_at = job.arrive_at + after_min * MINUTE_US
    return [PlannedStop(arrive_at, arrive_at + SECOND_STAY_MIN * MINUTE_US, job.site, "good", job.job_id)]
