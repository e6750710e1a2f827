"""Distances on a sphere: known values, and an upper bound that is never below them."""

from __future__ import annotations

from math import atan2, cos, hypot, pi, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.presence.geo import EARTH_RADIUS_M, distance_at_most_m, distance_m
from schemas.events import Site

DEGREE_M = 111_195.08
POINTS = st.builds(
    Site,
    lat=st.floats(-90, 90, allow_nan=False),
    lon=st.floats(-180, 180, allow_nan=False),
)


def _vector(point: Site) -> tuple[float, float, float]:
    lat, lon = radians(point.lat), radians(point.lon)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


@pytest.mark.parametrize(
    ("a", "b", "expected_m"),
    [
        (Site(28.6, 77.2), Site(28.6, 77.2), 0.0),
        (Site(28.0, 77.2), Site(29.0, 77.2), DEGREE_M),
        (Site(0.0, 179.5), Site(0.0, -179.5), DEGREE_M),
        (Site(0.0, 0.0), Site(0.0, 90.0), EARTH_RADIUS_M * pi / 2),
        (Site(90.0, 10.0), Site(-90.0, 77.0), EARTH_RADIUS_M * pi),
        (Site(12.5, 30.0), Site(-12.5, -150.0), EARTH_RADIUS_M * pi),
        (Site(60.0, 0.0), Site(60.0, 180.0), EARTH_RADIUS_M * pi / 3),
    ],
)
def test_distance_is_the_great_circle_in_both_directions(a: Site, b: Site, expected_m: float) -> None:
    assert distance_m(a, b) == pytest.approx(expected_m, rel=1e-6, abs=1e-6)
    assert distance_m(b, a) == pytest.approx(expected_m, rel=1e-6, abs=1e-6)


@given(POINTS, POINTS)
def test_distance_agrees_with_the_angle_between_vectors(a: Site, b: Site) -> None:
    x, y = _vector(a), _vector(b)
    across = hypot(x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
    along = sum(i * j for i, j in zip(x, y, strict=True))
    assert distance_m(a, b) == pytest.approx(EARTH_RADIUS_M * atan2(across, along), rel=1e-9, abs=1.0)


@given(POINTS, POINTS)
def test_the_bound_is_never_below_the_distance(a: Site, b: Site) -> None:
    below_m = 1e-9  # squares of the smallest floats have few digits
    assert distance_at_most_m(a, b) >= distance_m(a, b) * (1 - 1e-9) - below_m


def test_the_bound_is_exact_along_a_meridian() -> None:
    assert distance_at_most_m(Site(28.0, 77.2), Site(29.0, 77.2)) == pytest.approx(DEGREE_M, rel=1e-6)
