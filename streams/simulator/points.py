"""Plane geometry, accurate enough within a city."""

import math
from typing import NamedTuple

METRES_PER_DEGREE = math.radians(1.0) * 6_371_008.8


class PlanePoint(NamedTuple):
    """A WGS84 point in degrees."""

    lat: float
    lon: float

    def moved(self, east_m: float, north_m: float) -> "PlanePoint":
        """Return the point `east_m` metres east and `north_m` metres north."""
        shrink = math.cos(math.radians(self.lat))
        return PlanePoint(self.lat + north_m / METRES_PER_DEGREE, self.lon + east_m / (METRES_PER_DEGREE * shrink))

    def offset_to_m(self, other: "PlanePoint") -> tuple[float, float]:
        """Return how many metres `other` lies to the east and north."""
        shrink = math.cos(math.radians(self.lat))
        return (other.lon - self.lon) * METRES_PER_DEGREE * shrink, (other.lat - self.lat) * METRES_PER_DEGREE

    def distance_m(self, other: "PlanePoint") -> float:
        """Return the distance to `other` in metres."""
        return math.hypot(*self.offset_to_m(other))
