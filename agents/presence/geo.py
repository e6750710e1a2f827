"""Distances on a spherical Earth (domain.md, "Presence")."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final, Protocol

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the Earth."""


class GeoPoint(Protocol):
    """A WGS84 point in degrees."""

    @property
    def lat(self) -> float:
        """Degrees north."""

    @property
    def lon(self) -> float:
        """Degrees east."""


def distance_m(a: GeoPoint, b: GeoPoint) -> float:
    """Return the great-circle distance between two points in metres, by the haversine formula (OOS-7)."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    half_lat = sin((lat_b - lat_a) / 2)
    half_lon = sin(radians(b.lon - a.lon) / 2)
    haversine = half_lat * half_lat + cos(lat_a) * cos(lat_b) * half_lon * half_lon
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(haversine)))  # rounding can exceed 1 for antipodes


def distance_at_most_m(a: GeoPoint, b: GeoPoint) -> float:
    """Return a cheap upper bound of the distance in metres: along a meridian, then along the equator."""
    lon = abs(a.lon - b.lon)
    return EARTH_RADIUS_M * radians(abs(a.lat - b.lat) + min(lon, 360.0 - lon))
