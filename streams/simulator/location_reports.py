"""How partners move between their stops, and the location reports of their devices."""

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from streams.simulator.branch import DeviceSignal
from streams.simulator.options import SimulatorOptions
from streams.simulator.planning import SLOWEST_M_PER_S, PlannedStop, Roster, travel_us
from streams.simulator.points import PlanePoint
from streams.simulator.rng import Rng
from streams.simulator.sim_event import MINUTE_US, PARTNER_APP, SimEvent, Value
from streams.simulator.trace import Trip

FASTEST_M_PER_S: Final = 9.0
# the interval between reports is this many times longer at a stop, and between jobs
AT_STOP_FACTOR: Final = 3.0
IDLE_FACTOR: Final = 10.0
OFF_DUTY_US: Final = 4 * 60 * MINUTE_US
REST_US: Final = 20 * MINUTE_US
REST_M: Final = (2_000.0, 2_800.0)
IDLE_US: Final = 5 * MINUTE_US
JUMP_M: Final = (20_000.0, 26_000.0)
JUMP_REPORTS: Final = (3, 4)
BOW: Final = 0.15
PARKING_M: Final = 25.0
TRIP_TRIES: Final = 4
# ranges of accuracy in metres, and the cumulative share of reports in each but the last
_ACCURACY_M: Final = ((4.0, 18.0), (18.0, 60.0), (60.0, 180.0), (210.0, 900.0))
_ACCURACY_CUMULATIVE: Final = (0.70, 0.94, 0.99)
_SIGNAL_ACCURACY_M: Final = {"mocked": (1.0, 5.0), "coarse": (260.0, 1_500.0)}


class TruePosition(NamedTuple):
    """The true place of a partner at an instant; `recorded` places come from a trace and have its noise."""

    time: int
    place: PlanePoint
    signal: DeviceSignal
    job_id: str
    recorded: bool = False


def reports(roster: Roster, options: SimulatorOptions, trips: Sequence[Trip]) -> Iterator[SimEvent]:
    """Yield the location reports of one partner, earliest first."""
    partner_id = roster.partner.partner_id
    trajectory = _Trajectory(roster, options, trips, Rng(options.seed, "route", roster.partner.number))
    device = Rng(options.seed, "device", roster.partner.number)
    visible = (position for position in trajectory.positions() if position.signal != "silent")
    for number, position in enumerate(visible, 1):
        at = position.time - position.time % 1_000
        data = _measure(position, device)
        yield SimEvent(at, PARTNER_APP, f"{partner_id}-{number:06d}", "location.reported", partner_id, data)


def _measure(position: TruePosition, rng: Rng) -> dict[str, Value]:
    usual_m = _ACCURACY_M[bisect(_ACCURACY_CUMULATIVE, rng.fraction())]
    accuracy_m = round(rng.between(*_SIGNAL_ACCURACY_M.get(position.signal, usual_m)), 1)
    # at most 2.5 spreads, so the error never exceeds the reported accuracy
    place = position.place if position.recorded else position.place.moved(*rng.offset_m(accuracy_m * 0.4))
    data: dict[str, Value] = {"lat": round(place.lat, 6), "lon": round(place.lon, 6), "accuracy_m": accuracy_m}
    if position.signal == "mocked":
        data["mocked"] = True
    if position.job_id:
        data["job_id"] = position.job_id
    return data


class _Trajectory:
    """The positions of one partner over time."""

    def __init__(self, roster: Roster, options: SimulatorOptions, trips: Sequence[Trip], rng: Rng) -> None:
        self._roster = roster
        self._interval_us = options.report_interval_s * 1_000_000
        self._trips = trips
        self._rng = rng
        self._place = roster.partner.home
        self._free_at: int | None = None

    def positions(self) -> Iterator[TruePosition]:
        """Yield the positions at all stops and on the way between them, earliest first."""
        for stop in self._roster.stops:
            if self._free_at is not None:
                yield from self._between(self._free_at, stop)
            yield from self._travel(stop)
            yield from self._stay(stop)
            self._place, self._free_at = stop.place, stop.leave_at
        if self._free_at is not None:
            yield from self._rest(self._free_at)

    def _between(self, free_at: int, stop: PlannedStop) -> Iterator[TruePosition]:
        """Rest after a stop if there is time, and go home if there is a lot."""
        gap_us = stop.arrive_at - free_at
        way_us = travel_us(self._place.distance_m(stop.place) + REST_M[1], SLOWEST_M_PER_S)
        if gap_us > way_us + REST_US:
            yield from self._rest(free_at)
        if gap_us > OFF_DUTY_US:
            self._place, self._free_at = self._roster.partner.home, None

    def _rest(self, free_at: int) -> Iterator[TruePosition]:
        """Drive away from the stop, so that the partner does not seem to stay with the customer."""
        along_m = self._rng.between(*REST_M) * self._rng.pick((-1, 1))
        spot = self._place.moved(along_m, 0.0) if self._rng.chance(0.5) else self._place.moved(0.0, along_m)
        arrive_at = free_at + travel_us(abs(along_m), SLOWEST_M_PER_S)
        yield from self._drive(free_at, arrive_at, spot)
        self._place, self._free_at = spot, arrive_at

    def _travel(self, stop: PlannedStop) -> Iterator[TruePosition]:
        """Wait until it is time to leave, then travel to the stop, at the end along a recorded trip if one fits."""
        trip = self._fitting_trip(stop)
        first = trip[0] if trip else (stop.arrive_at, stop.place)
        speed_m_per_s = self._rng.between(SLOWEST_M_PER_S, FASTEST_M_PER_S)
        depart_at = first[0] - travel_us(self._place.distance_m(first[1]), speed_m_per_s)
        idle_from = self._free_at if self._free_at is not None else depart_at - IDLE_US
        yield from self._wait(PlannedStop(idle_from, depart_at, self._place, "good", ""), IDLE_FACTOR)
        yield from self._drive(depart_at, *first, stop.job_id)
        next_at = first[0]
        for time, place in trip[:-1]:
            if time >= next_at:
                yield TruePosition(time, place, "good", stop.job_id, recorded=True)
                next_at = time + self._step_us(1.0)

    def _fitting_trip(self, stop: PlannedStop) -> list[tuple[int, PlanePoint]]:
        """Return the (instant, place) pairs of a recorded trip that ends at the stop in time, or none."""
        for _ in range(TRIP_TRIES if self._trips else 0):
            trip = self._rng.pick(self._trips)
            placed = trip.ending_at(stop.place, self._place)
            begin_at = stop.arrive_at - trip.duration_s * 1_000_000
            slowest_us = travel_us(self._place.distance_m(placed[0][1]), SLOWEST_M_PER_S)
            if self._free_at is None or self._free_at + slowest_us <= begin_at:
                return [(stop.arrive_at + before_s * 1_000_000, place) for before_s, place in placed]
        return []

    def _stay(self, stop: PlannedStop) -> Iterator[TruePosition]:
        parked = stop._replace(place=stop.place.moved(*self._rng.offset_m(PARKING_M)))
        for number, position in enumerate(self._wait(parked, AT_STOP_FACTOR)):
            if stop.signal == "jump" and number in JUMP_REPORTS:
                # another device on the same account, far away
                yield position._replace(place=stop.place.moved(0.0, self._rng.between(*JUMP_M)))
            else:
                yield position

    def _wait(self, stop: PlannedStop, factor: float) -> Iterator[TruePosition]:
        time = stop.arrive_at
        while time < stop.leave_at:
            yield TruePosition(time, stop.place, stop.signal, stop.job_id)
            time += self._step_us(factor)

    def _drive(self, depart_at: int, arrive_at: int, end: PlanePoint, job_id: str = "") -> Iterator[TruePosition]:
        """Drive in a shallow bow, since streets are not straight."""
        begin = self._place
        east_m, north_m = begin.offset_to_m(end)
        bow = self._rng.between(-BOW, BOW)
        time = depart_at
        while time < arrive_at:
            part = (time - depart_at) / (arrive_at - depart_at)
            aside = bow * math.sin(math.pi * part)
            place = begin.moved(east_m * part - north_m * aside, north_m * part + east_m * aside)
            yield TruePosition(time, place, "good", job_id)
            time += self._step_us(1.0)

    def _step_us(self, factor: float) -> int:
        return int(self._interval_us * factor * self._rng.between(0.5, 1.5))
