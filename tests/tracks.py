"""Builders for tests of a partner's track: reports at a distance north of a site, and presence queries."""

from __future__ import annotations

from hashlib import blake2b
from math import degrees
from typing import Final

from agents.presence.geo import EARTH_RADIUS_M
from agents.presence.queries import PresenceAnswer, PresenceQuery, PresenceRules, presence_rules
from agents.presence.track import Track
from schemas.events import Event, LocationReported, Site
from schemas.policy.model import HOUR, Policy

SITE: Final = Site(28.6139, 77.2090)
NOON: Final = 1_795_262_400_000_000
POLICY: Final = Policy(hash="h")
RULES: Final = presence_rules(POLICY)


def report(
    offset: int,
    metres: float = 0.0,
    *,
    name: str | None = None,
    source: str = "/app",
    accuracy: float = 10.0,
    mocked: bool = False,
    place: Site | None = None,
) -> Event[LocationReported]:
    """Return a report `offset` microseconds after noon, `metres` north of the site or from another place."""
    at = place or Site(SITE.lat + degrees(metres / EARTH_RADIUS_M), SITE.lon)
    data = LocationReported(at.lat, at.lon, accuracy, mocked)
    content = blake2b(f"{offset} {data}".encode(), digest_size=16).digest()
    return Event(source, name or f"r{offset}", "location.reported", "p1", NOON + offset, data, content)


def query(
    offset: int = 0,
    *,
    fact: str = "/app#m",
    case: str = "job-1",
    site: Site | None = SITE,
    stay: bool = False,
    rules: PresenceRules = RULES,
) -> PresenceQuery:
    """Return a query for `offset` microseconds after noon."""
    return PresenceQuery(case, "p1", fact, NOON + offset, site, rules, stay)


def track_of(*reports: Event[LocationReported], policy: Policy = POLICY) -> Track:
    """Return a track with reports added in the order given."""
    track = Track("p1")
    for each in reports:
        track.add_report(each, policy)
    return track


def only_answer(track: Track, asked: PresenceQuery) -> PresenceAnswer:
    """Send one query and return its answer."""
    track.query(asked)
    (found,) = track.new_answers()
    return found


RETENTION: Final = 72 * HOUR
