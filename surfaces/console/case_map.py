"""The map of a case as SVG, without any tiles: metres east and north of the site."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from schemas.events import Site
from surfaces.console.story import Presence
from surfaces.console.text import exact

SIZE: Final = 440
MARGIN_SHARE: Final = 1.15
LABEL: Final = 12
"""How far apart labels are at least."""
METRES_PER_DEGREE: Final = 111_195.0
"""Of latitude, with the mean radius of the Earth."""
FAR_SHARE: Final = 20.0
"""A report farther away than so many rings is shown at the edge."""


@dataclass(frozen=True, slots=True)
class _Mark:
    east_m: float
    north_m: float
    accuracy_m: float
    number: int
    title: str
    role: str


def case_map(site: Site, radius_m: float, presences: Sequence[Presence]) -> Markup:
    """Return the map: the site, the ring in which a partner counts as there, and the reports that count."""
    marks = [mark for number, each in enumerate(presences, 1) for mark in _marks(site, radius_m, each, number)]
    reach = max([radius_m, *(math.hypot(mark.east_m, mark.north_m) + mark.accuracy_m for mark in marks)])
    scale = SIZE / 2 / (reach * MARGIN_SHARE)
    shapes = [
        f'<circle class="ring" r="{radius_m * scale:.1f}"/>',
        f'<text class="ring-label" y="{-radius_m * scale - 4:.1f}">{radius_m:g} m</text>',
        '<path class="site" d="M0-7 7 0 0 7-7 0Z"><title>site</title></path>',
    ]
    labels: list[tuple[float, float]] = []
    for mark in marks:
        x, y = mark.east_m * scale, -mark.north_m * scale
        label_x, label_y = x + 7, y - 5
        while any(abs(label_x - other_x) < LABEL and abs(label_y - other_y) < LABEL for other_x, other_y in labels):
            label_y -= LABEL
        labels.append((label_x, label_y))
        shapes.append(
            f'<g class="fix fix-{"mocked" if mark.role == "mocked report" else "valid"}">'
            f"<title>{escape(mark.title)}</title>"
            f'<circle class="accuracy" cx="{x:.1f}" cy="{y:.1f}" r="{max(mark.accuracy_m * scale, 3):.1f}"/>'
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
            f'<text x="{label_x:.1f}" y="{label_y:.1f}">{mark.number}</text></g>'
        )
    half = SIZE / 2
    label = f"Map: the site, a ring of {radius_m:g} m, and {len(marks)} location reports"
    return Markup(  # noqa: S704 - its parts are escaped above
        f'<svg class="map" role="img" aria-label="{escape(label)}" viewBox="{-half:g} {-half:g} {SIZE} {SIZE}">'
        f"{''.join(shapes)}{_scale_bar(scale)}"
        f'<g class="north" transform="translate({half - 20:g} {-half + 28:g})">'
        '<path d="M0-14 5 4 0 0-5 4Z"/><text y="16">N</text></g></svg>'
    )


def _marks(site: Site, radius_m: float, presence: Presence, number: int) -> list[_Mark]:
    found = []
    for fix in presence.fixes:
        if fix.place is None:
            continue
        latitude, longitude = fix.place
        north = (latitude - site.lat) * METRES_PER_DEGREE
        east = ((longitude - site.lon + 180) % 360 - 180) * METRES_PER_DEGREE * math.cos(math.radians(site.lat))
        apart, most = math.hypot(east, north), radius_m * FAR_SHARE
        shrink = most / apart if apart > most else 1.0
        far = " (farther away than shown)" if shrink < 1 else ""
        distance = "" if fix.distance_m is None else f", {fix.distance_m:,.0f} m from the site{far}"
        accuracy = "" if fix.accuracy_m is None else f", accuracy {fix.accuracy_m:g} m"
        title = f"{number}: {fix.role} at {exact(fix.time)}{distance}{accuracy}"
        reach_m = min(fix.accuracy_m or 0.0, most)
        found.append(_Mark(east * shrink, north * shrink, reach_m, number, title, fix.role))
    return found


def _scale_bar(scale: float) -> str:
    """Return a bar of a round number of metres, about a quarter of the width."""
    wanted = SIZE / 4 / scale
    power = 10.0 ** math.floor(math.log10(wanted))
    metres = max(each * power for each in (1, 2, 5) if each * power <= wanted)
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    x, y, width = -SIZE / 2 + 14, SIZE / 2 - 14, metres * scale
    bar = f'<path class="scale" d="M{x:.1f} {y - 5:.1f}v5h{width:.1f}v-5"/>'
    return f'{bar}<text class="scale-label" x="{x + width / 2:.1f}" y="{y - 7:.1f}">{text}</text>'
