"""What a case asks about a partner's whereabouts, and what it is told: moments out, readings back.

A case never sees location reports: it names the moments that matter (domain, "Presence") and gets for each one a
reading, a fact like others. The reports stay with their partner (`agents.presence.track`).
"""

from __future__ import annotations

from msgspec import Struct, structs

from agents.presence.geo import distance_m
from schemas.events import Site
from schemas.policy.model import Policy

PresenceQueryKey = tuple[str, str]
"""(partner id, ref of the moment's own fact): at most one moment each within a case."""


class PresenceRules(Struct, frozen=True, array_like=True):
    """The numbers of the case's policy that a reading depends on; windows in microseconds."""

    radius_m: float
    max_accuracy_m: float
    before: int
    after: int
    linger: int
    stay: int
    mocked_window: int


class PresenceQuery(Struct, frozen=True, array_like=True):
    """A question: where was this partner at `time` (microseconds)?

    `stay` asks also whether the partner was still at `site` later, which matters after a cancellation only. Nothing
    else depends on the site, so only such a question names it (None: no booking yet) and is asked anew for another.
    """

    case_id: str
    partner_id: str
    fact: str
    time: int
    site: Site | None
    rules: PresenceRules
    stay: bool

    @property
    def key(self) -> PresenceQueryKey:
        """What identifies the moment within its case."""
        return (self.partner_id, self.fact)

    @property
    def window(self) -> tuple[float, ...]:
        """What decides which report counts, and which mocked one: neither depends on the site."""
        rules = self.rules
        return (self.time, rules.max_accuracy_m, rules.before, rules.after, rules.mocked_window)


class LocationFix(Struct, frozen=True, array_like=True):
    """One location report as evidence: its ref, its time (microseconds) and where it was made.

    Version 0.1 kept the distance from the site of its moment instead of the place (then None).
    """

    ref: str
    time: int
    distance_m: float | None
    place: Site | None = None


class PresenceAnswer(Struct, frozen=True, array_like=True):
    """The answer to a moment, from all reports known when it was made.

    `closest` is the valid report nearest in time (domain, "Presence"), `mocked` the earliest mocked one within
    `mocked_window`, `stay` the earliest valid one on site at least `stay` and at most `linger` after the moment with no
    valid one off site between (only where the moment asks). `made_at` holds the input positions of the location
    agent, by `topic-partition`: of two readings of one moment the later made counts, but one that is `too_late`, the
    moment having been asked about past the retention, never replaces one of the same window that is not.
    """

    query: PresenceQuery
    closest: LocationFix | None
    mocked: LocationFix | None
    stay: LocationFix | None
    made_at: dict[str, int] = {}
    too_late: bool = False

    @property
    def fixes(self) -> tuple[LocationFix, ...]:
        """The reports that it tells of."""
        return tuple(each for each in (self.closest, self.mocked, self.stay) if each is not None)

    def has_same_content_as(self, other: PresenceAnswer) -> bool:
        """Tell whether two readings differ in nothing but when they were made."""
        return self == structs.replace(other, made_at=self.made_at)

    def distance_m(self, fix: LocationFix, site: Site | None) -> float | None:
        """Return how far one of its sightings is from a site in metres, None if there is no telling."""
        if site is None:
            return None
        if fix.place is not None:
            return distance_m(fix.place, site)
        return fix.distance_m if site == self.query.site else None


def presence_rules(policy: Policy) -> PresenceRules:
    """Return the numbers of a policy that readings depend on."""
    return PresenceRules(
        radius_m=policy.presence.radius_m,
        max_accuracy_m=policy.presence.max_accuracy_m,
        before=policy.presence.before,
        after=policy.presence.after,
        linger=policy.presence.linger,
        stay=policy.alert.stay,
        mocked_window=policy.alert.mocked_window,
    )
