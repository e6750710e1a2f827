"""Recorded GPS traces: read from a file, split into trips, and moved into a city without distortion."""

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
    """One recorded point; `time_s` is in seconds since the epoch."""

    time_s: int
    place: PlanePoint


class Trip(NamedTuple):
    """A recorded trip; each step is (seconds, metres east, metres north) relative to its end, oldest first."""

    steps: tuple[tuple[int, float, float], ...]

    @property
    def duration_s(self) -> int:
        """How long the trip took, in seconds."""
        return -self.steps[0][0]

    def ending_at(self, end: PlanePoint, coming_from: PlanePoint) -> list[tuple[int, PlanePoint]]:
        """Return (seconds relative to the end, place) of each step, rotated to come from `coming_from`."""
        east_m, north_m = end.offset_to_m(coming_from)
        first_east_m, first_north_m = self.steps[0][1:]
        turn = math.atan2(north_m, east_m) - math.atan2(first_north_m, first_east_m)
        cos, sin = math.cos(turn), math.sin(turn)
        return [
            (before_s, end.moved(east * cos - north * sin, east * sin + north * cos))
            for before_s, east, north in self.steps
        ]


def read_trips(path: Path) -> tuple[Trip, ...]:
    """Return the trips in a CSV file (.gz and .zst too) with the columns lat, lng, datetime, uid.

    Raises `UsageError`, naming file and line, if the file cannot be read or contains no trip.
    """
    trips = tuple(_trips(_points(path, _text(path))))
    if not trips:
        raise UsageError(f"trace file {path}: no trip of {TRIP_S_MIN} s and {TRIP_M_MIN:.0f} m or more in it")
    return trips


def _text(path: Path) -> Iterator[str]:
    for line, size in read_lines(str(path), ROW_BYTES_MAX):
        if size > ROW_BYTES_MAX:
            raise ValueError(f"{size} bytes are too many for a row")
        yield f"{line.decode()}\n"


def _points(path: Path, file: Iterable[str]) -> Iterator[tuple[str, TracePoint]]:
    """Yield (user id, point) for each row."""
    rows = csv.reader(file)
    try:
        header = [name.strip() for name in next(rows, [])]
        if any(column not in header for column in COLUMNS):
            raise ValueError(f"the columns must be {','.join(COLUMNS)}")
        lat_at, lon_at, time_at, user_at = (header.index(column) for column in COLUMNS)
        for row in rows:
            if row:
                yield row[user_at], _point(row[lat_at], row[lon_at], row[time_at])
    except (ValueError, IndexError, csv.Error) as error:
        reason = "too few columns" if isinstance(error, IndexError) else error
        raise UsageError(f"trace file {path}, line {max(rows.line_num, 1)}: {reason}") from error


def _point(lat: str, lon: str, time: str) -> TracePoint:
    place = PlanePoint(float(lat), float(lon))
    if not (-90 <= place.lat <= 90 and -180 <= place.lon <= 180):
        raise ValueError(f"{lat},{lon} is no place on Earth")
    at = datetime.fromisoformat(time)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return TracePoint(int(at.timestamp()), place)


def _trips(points: Iterable[tuple[str, TracePoint]]) -> Iterator[Trip]:
    """Split at another user, a gap, a leap or the maximum length; yield the trips that are long enough."""
    piece: list[TracePoint] = []
    piece_user = ""
    for user, point in points:
        if piece and user == piece_user and point.time_s == piece[-1].time_s:
            continue
        if piece and not (user == piece_user and _continues(piece, point)):
            yield from _trip(piece)
            piece = []
        piece.append(point)
        piece_user = user
    if piece:
        yield from _trip(piece)


def _continues(piece: list[TracePoint], point: TracePoint) -> bool:
    since_s = point.time_s - piece[-1].time_s
    return (
        0 < since_s <= GAP_S_MAX
        and piece[-1].place.distance_m(point.place) <= SPEED_M_PER_S_MAX * since_s
        and point.time_s - piece[0].time_s <= TRIP_S_MAX
        and piece[0].place.distance_m(point.place) <= TRIP_M_MAX
    )


def _trip(piece: list[TracePoint]) -> Iterator[Trip]:
    end = piece[-1]
    if end.time_s - piece[0].time_s >= TRIP_S_MIN and end.place.distance_m(piece[0].place) >= TRIP_M_MIN:
        yield Trip(tuple((point.time_s - end.time_s, *end.place.offset_to_m(point.place)) for point in piece))
