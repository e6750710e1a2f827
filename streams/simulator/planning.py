"""Plans the jobs of a simulation: when and where, which branch each follows, which partner does it."""

from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from streams.simulator import offline_service, ordinary
from streams.simulator.branch import BPC_ONLY_CITIES, BPC_ONLY_GROUP, Branch, DeviceSignal
from streams.simulator.cities import SimCity, all_cities
from streams.simulator.job import Job, Partner
from streams.simulator.options import SimulatorOptions
from streams.simulator.out_of_scope import claims, commercial, ratings
from streams.simulator.people import draw_person
from streams.simulator.points import PlanePoint
from streams.simulator.rng import Rng
from streams.simulator.sim_event import MINUTE_US

_SCRIPTED: Final = (ordinary, claims, commercial, ratings, offline_service)
BRANCHES: Final[tuple[Branch, ...]] = tuple(branch for module in _SCRIPTED for branch in module.BRANCHES)
"""Every branch. Another order gives every seed other bytes."""
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

    @property
    def place(self) -> PlanePoint:
        """Where the partner is after the last stop."""
        return self.stops[-1].place if self.stops else self.partner.home

    def can_reach(self, place: PlanePoint, arrive_at: int) -> bool:
        """Return whether the partner can be at `place` in time and may take another job that day."""
        if not self.stops:
            return True
        today = arrive_at - 12 * 60 * MINUTE_US
        if sum(stop.arrive_at > today for stop in self.stops[-JOBS_PER_DAY_MAX:]) >= JOBS_PER_DAY_MAX:
            return False
        way_us = travel_us(self.place.distance_m(place), SLOWEST_M_PER_S)
        return self.stops[-1].leave_at + way_us + 5 * MINUTE_US <= arrive_at


class SimulationPlan(NamedTuple):
    """All jobs in order of booking, and the rosters of all partners."""

    jobs: list[Job]
    rosters: list[Roster]


def make_plan(options: SimulatorOptions) -> SimulationPlan:
    """Return the plan for `options`; the same options give the same plan."""
    cities = chosen_cities(options)
    counts = share_out(options.jobs, cities)
    deck = [branch for branch in BRANCHES for _ in range(counts.get(branch.name, 0))]
    deck = Rng(options.seed, "deck").shuffled(deck)
    jobs = [_make_job(options, cities, branch, index) for index, branch in enumerate(deck)]
    jobs.sort(key=attrgetter("booked_at"))
    for number, job in enumerate(jobs, 1):
        job.number = number
    return SimulationPlan(jobs, _Dispatcher(options).assign(jobs))


def chosen_cities(options: SimulatorOptions) -> list[SimCity]:
    """Return the cities to simulate, in the order of the table."""
    return [city for city in all_cities().values() if not options.cities or city.name in options.cities]


def share_out(jobs: int, cities: list[SimCity]) -> dict[str, int]:
    """Return how many of `jobs` follow each branch that fits one of `cities`; the numbers add up to `jobs`.

    Each branch gets the whole part of its share, and the jobs left over go to the largest fractions. So a rare branch
    appears as soon as its share comes close to one job, whatever the seed.
    """
    possible = [branch for branch in BRANCHES if any(branch.fits(city) for city in cities)]
    total = sum(branch.weight for branch in possible)
    exact = {branch.name: jobs * branch.weight / total for branch in possible}
    counts = {name: int(share) for name, share in exact.items()}
    by_fraction = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_fraction[: jobs - sum(counts.values())]:
        counts[name] += 1
    return counts


def travel_us(distance_m: float, speed_m_per_s: float) -> int:
    """Return how long a way takes, in microseconds."""
    return int(distance_m / speed_m_per_s * 1_000_000)


def _make_job(options: SimulatorOptions, cities: list[SimCity], branch: Branch, index: int) -> Job:
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
    some_bpc_only = branch.name == "completed" and city.name in BPC_ONLY_CITIES
    bpc_only = branch.area == "bpc_only" or (some_bpc_only and rng.chance(0.1))
    city_spelling = rng.pick(city.spellings) if rng.chance(0.06) else city.name
    category = branch.category or rng.weighted(tuple(CATEGORIES), tuple(CATEGORIES.values()))
    draw_person(rng)  # the customer, who appears in no event; keeps the bytes that a seed gives
    return Job(
        run=options.run,
        branch=branch,
        city=city,
        city_spelling=city_spelling,
        site=site,
        elsewhere=site.moved(bearing_east * reach_m, bearing_north * reach_m),
        category=category,
        group=BPC_ONLY_GROUP if bpc_only else "",
        booked_at=scheduled_at - rng.whole(120, 420) * MINUTE_US,
        scheduled_at=scheduled_at,
        arrive_at=arrive_at,
        leave_at=arrive_at + rng.whole(*branch.stay_min) * MINUTE_US,
    )


class _Dispatcher:
    """Assigns each job to the nearest partner who can be there in time, or hires one."""

    def __init__(self, options: SimulatorOptions) -> None:
        self._options = options
        self._pools: dict[tuple[str, str, str], list[Roster]] = {}
        self._rosters: list[Roster] = []

    def assign(self, jobs: list[Job]) -> list[Roster]:
        """Set the partners of all jobs and return all rosters."""
        visits: list[tuple[int, int, bool, Job, list[PlannedStop]]] = []
        for job in jobs:
            stops = _first_stops(job)
            visits.append((stops[0].arrive_at if stops else job.arrive_at, job.number, False, job, stops))
            if job.branch.second_after_min is not None:
                arrive_at = job.arrive_at + job.branch.second_after_min * MINUTE_US
                stop = PlannedStop(arrive_at, arrive_at + SECOND_STAY_MIN * MINUTE_US, job.site, "good", job.job_id)
                visits.append((arrive_at, job.number, True, job, [stop]))
        for arrive_at, _, second, job, stops in sorted(visits, key=itemgetter(0, 1, 2)):
            place = stops[0].place if stops else job.site
            roster = self._find(job, place, arrive_at, excluded=job.partner if second else None)
            roster.stops.extend(stops)
            if second:
                job.second = roster.partner
            else:
                job.partner = roster.partner
        return self._rosters

    def _find(self, job: Job, place: PlanePoint, arrive_at: int, *, excluded: Partner | None) -> Roster:
        pool = self._pools.setdefault((job.city.name, job.category, job.group), [])
        free = [each for each in pool if each.partner is not excluded and each.can_reach(place, arrive_at)]
        if free:
            return min(free, key=lambda each: each.place.distance_m(place))
        number = 1 + len(self._rosters)
        rng = Rng(self._options.seed, "partner", number)
        roster = Roster(Partner(self._options.run, number, job.group, draw_person(rng), job.city.draw_place(rng)))
        pool.append(roster)
        self._rosters.append(roster)
        return roster


def _first_stops(job: Job) -> list[PlannedStop]:
    stay = PlannedStop(job.arrive_at, job.leave_at, job.site, job.branch.signal, job.job_id)
    match job.branch.destination:
        case "nowhere":
            return []
        case "elsewhere":
            return [stay._replace(place=job.elsewhere)]
        case "elsewhere_then_site":
            begin, end = (job.arrive_at - minutes * MINUTE_US for minutes in DETOUR_MIN)
            return [stay._replace(arrive_at=begin, leave_at=end, place=job.elsewhere), stay]
        case "site":
            return [stay]
