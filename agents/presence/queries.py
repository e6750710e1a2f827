"""Presence queries and their answers: the messages between a case and its partners' location tracks.

A case never sees location reports. It sends a query for each fact at which the partner's presence is wanted, and gets
an answer with the few reports that count (runtime.md, "The case"). The reports stay in `agents.presence.track`.
"""

from __future__ import annotations

from msgspec import Struct, structs

from agents.presence.geo import distance_m
from schemas.events import Site
from schemas.policy.model import Policy

PresenceQueryKey = tuple[str, str]
"""(partner id, ref of the fact): identifies a query within its case."""


class PresenceRules(Struct, frozen=True, array_like=True):
    """The policy values that an answer depends on; durations in microseconds."""

    radius_m: float
    max_accuracy_m: float
    before: int
    after: int
    linger: int
    stay: int
    mocked_window: int


class PresenceQuery(Struct, frozen=True, array_like=True):
    """Asks where a partner was at the time of a fact; `time` in microseconds, `fact` is its ref.

    With `stay` it also asks whether the partner was still at `site` later, which matters after a cancellation. Nothing
    else depends on the site, so other queries leave it None and need not be repeated when the booking changes.
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
        """The key of the query within its case."""
        return (self.partner_id, self.fact)

    @property
    def window(self) -> tuple[float, ...]:
        """The part of the query that decides which report is closest and which mocked report is cited."""
        rules = self.rules
        return (self.time, rules.max_accuracy_m, rules.before, rules.after, rules.mocked_window)


class LocationFix(Struct, frozen=True, array_like=True):
    """A location report as evidence: its ref, its time (microseconds) and its position.

    Version 0.1 stored the distance to the query's site instead of the position; `place` is None in its answers.
    """

    ref: str
    time: int
    distance_m: float | None
    place: Site | None = None


class PresenceAnswer(Struct, frozen=True, array_like=True):
    """The answer to a query, from all reports known when it was made (domain.md, "Presence").

    `closest` is the valid report closest in time, `mocked` the earliest mocked report nearby, `stay` the report that
    shows a stay. `made_at` holds the location agent's input positions by `topic-partition`. `too_late` says that the
    query came when reports in its window may already have been dropped.
    """

    query: PresenceQuery
    closest: LocationFix | None
    mocked: LocationFix | None
    stay: LocationFix | None
    made_at: dict[str, int] = {}
    too_late: bool = False

    @property
    def fixes(self) -> tuple[LocationFix, ...]:
        """All reports in the answer."""
        return tuple(fix for fix in (self.closest, self.mocked, self.stay) if fix is not None)

    def has_same_content_as(self, other: PresenceAnswer) -> bool:
        """Return whether two answers are equal apart from `made_at`."""
        return self == structs.replace(other, made_at=self.made_at)

    def replaces(self, known: PresenceAnswer) -> bool:
        """Return whether this answer counts instead of one already known for the same key.

        An answer made in time beats one for the same window that is too late: a query may be repeated after the reports
        are gone, by a recovery or for another site. Otherwise the answer made at later input positions counts.
        """
        if self.query.window == known.query.window and self.too_late != known.too_late:
            return known.too_late
        return all(self.made_at.get(name, 0) >= position for name, position in known.made_at.items())

    def distance_m(self, fix: LocationFix, site: Site | None) -> float | None:
        """Return the distance of one of its fixes to a site in metres, or None if it is not known."""
        if site is None:
            return None
        if fix.place is not None:
            return distance_m(fix.place, site)
        return fix.distance_m if site == self.query.site else None


def presence_rules(policy: Policy) -> PresenceRules:
    """Return the values of a policy that answers depend on."""
    return PresenceRules(
        radius_m=policy.presence.radius_m,
        max_accuracy_m=policy.presence.max_accuracy_m,
        before=policy.presence.before,
        after=policy.presence.after,
        linger=policy.presence.linger,
        stay=policy.alert.stay,
        mocked_window=policy.alert.mocked_window,
    )
