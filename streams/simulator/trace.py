"""Recorded GPS traces: read from a file, cut into trips, laid over a city without stretching them."""

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from schemas.errors import UsageError
from streams.files.reading import read_lines
from streams.simulator.points import PlanePoint

ROW_BYTES_MAX: Final = 4_096
COLUMNS: Final = ("lat", "lng", "datetime", "uid")
GAP_S_MAX: Final = 120
SPEED_M_PER_S_MAX: Final = 33.0
TRIP_S_MIN: Final = 120
TRIP_S_MAX: Final = 15 * 60
TRIP_M_MIN: Final = 400.0
TRIP_M_MAX: Final = 8_000.0


class TracePoint(NamedTuple):
    """One recorded point: whole seconds since the epoch, and where."""

    time_s: int
    place: PlanePoint


class Trip(NamedTuple):
    """A recorded trip relative to its end: seconds before it, metres east and north of it, oldest first."""

    steps: tuple[tuple[int, float, float], ...]

    @property
    def duration_s(self) -> int:
        """How long the trip took."""
        return -self.steps[0][0]

    def ending_at(self, end: PlanePoint, coming_from: PlanePoint) -> list[tuple[int, PlanePoint]]:
        """Return (seconds before the end, place) of each point, turned to come from a direction and end at ``end``."""
        east_m, north_m = end.offset_to_m(coming_from)
        first_east_m, first_north_m = self.steps[0][1:]
        turn = math.atan2(north_m, east_m) - math.atan2(first_north_m, first_east_m)
        cos, sin = math.cos(turn), math.sin(turn)
        return [
            (before_s, end.moved(east * cos - north * sin, east * sin + north * cos))
            for before_s, east, north in self.steps
        ]


def read_trips(path: Path) -> tuple[Trip, ...]:
    """Return the trips of a CSV file (.gz and .zst too) with the columns lat, lng, datetime, uid.

    Raises UsageError, naming file and line, where the file cannot be read or holds no trip.
    """
    trips = tuple(_trips(_fixes(path, _text(path))))
    if not trips:
        raise UsageError(f"trace file {path}: no trip of {TRIP_S_MIN} s and {TRIP_M_MIN:.0f} m or more in it")
    return trips


def _text(path: Path) -> Iterator[str]:
    for line, size in read_lines(str(path), ROW_BYTES_MAX):
        if size > ROW_BYTES_MAX:
            raise ValueError(f"{size} bytes are too many for a row")
        yield f"{line.decode()}\n"


def _fixes(path: Path, file: Iterable[str]) -> Iterator[tuple[str, TracePoint]]:
    """Yield (who, fix) for each row."""
    rows = csv.reader(file)
    try:
        header = [name.strip() for name in next(rows, [])]
        if any(column not in header for column in COLUMNS):
            raise ValueError(f"the columns must be {','.join(COLUMNS)}")
        lat_at, lon_at, time_at, who_at = (header.index(column) for column in COLUMNS)
        for row in rows:
            if row:
                yield row[who_at], _fix(row[lat_at], row[lon_at], row[time_at])
    except (ValueError, IndexError, csv.Error) as error:
        reason = "too few columns" if isinstance(error, IndexError) else error
        raise UsageError(f"trace file {path}, line {max(rows.line_num, 1)}: {reason}") from error


def _fix(lat: str, lon: str, time: str) -> TracePoint:
    place = PlanePoint(float(lat), float(lon))
    if not (-90 <= place.lat <= 90 and -180 <= place.lon <= 180):
        raise ValueError(f"{lat},{lon} is no place on Earth")
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return TracePoint(int(moment.timestamp()), place)


def _trips(fixes: Iterable[tuple[str, TracePoint]]) -> Iterator[Trip]:
    """Cut where somebody else, a gap, a leap or the longest trip begins; yield what is long enough."""
    piece: list[TracePoint] = []
    piece_of = ""
    for who, fix in fixes:
        if piece and who == piece_of and fix.time_s == piece[-1].time_s:
            continue
        if piece and not (who == piece_of and _goes_on(piece, fix)):
            yield from _trip(piece)
            piece = []
        piece.append(fix)
        piece_of = who
    if piece:
        yield from _trip(piece)


def _goes_on(piece: list[TracePoint], fix: TracePoint) -> bool:
    since_s = fix.time_s - piece[-1].time_s
    return (
        0 < since_s <= GAP_S_MAX
        and piece[-1].place.distance_m(fix.place) <= SPEED_M_PER_S_MAX * since_s
        and fix.time_s - piece[0].time_s <= TRIP_S_MAX
        and piece[0].place.distance_m(fix.place) <= TRIP_M_MAX
    )


def _trip(piece: list[TracePoint]) -> Iterator[Trip]:
    end = piece[-1]
    if end.time_s - piece[0].time_s >= TRIP_S_MIN and end.place.distance_m(piece[0].place) >= TRIP_M_MIN:
        yield Trip(tuple((fix.time_s - end.time_s, *end.place.offset_to_m(fix.place)) for fix in piece))
