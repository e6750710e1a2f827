"""Answers a presence query from a partner's location reports (domain.md, "Presence")."""

from __future__ import annotations

from msgspec import Struct

from agents.presence.geo import distance_m
from agents.presence.queries import LocationFix, PresenceQuery
from agents.presence.reports import Report, Series, unpack
from schemas.events import Site

PendingQueryKey = tuple[str, str]
"""(case id, ref of the fact): identifies a query within its partner's track."""


class Observations(Struct, frozen=True, array_like=True):
    """The reports that a `PresenceAnswer` carries."""

    closest: LocationFix | None = None
    mocked: LocationFix | None = None
    stay: LocationFix | None = None


class PendingQuery(Struct, array_like=True):
    """A query whose answer may still change, and the answer given last; instants in microseconds.

    Reports from `first` to `last` count. `first` is the beginning of the query's window. If the query came too late, it
    is the earliest time within the retention or, if an earlier track may have departed with reports in the window, one
    microsecond before the window.
    """

    query: PresenceQuery
    first: int
    last: int
    answer: Observations = Observations()

    @property
    def is_too_late(self) -> bool:
        """Whether reports in the window may already have been dropped when the query came."""
        return self.first != self.query.time - reach_before(self.query)


def reach_before(query: PresenceQuery) -> int:
    """Return how long before the query's time a report can still matter, in microseconds."""
    return max(query.rules.before, query.rules.mocked_window)


def reach_after(query: PresenceQuery) -> int:
    """Return how long after the query's time a report can still matter, in microseconds."""
    rules = query.rules
    return max(rules.after, rules.mocked_window, rules.linger if query.stay else 0)


def answer(query: PresenceQuery, plain: Series, mocked: Series, first: int) -> tuple[Observations, int]:
    """Return the answer to a query, and the instant (microseconds) after which no report can change it.

    `plain` and `mocked` are the partner's reports; those before `first` do not count.
    """
    stay, last_for_stay = _stay(query, plain, first)
    last = max(last_for_stay, query.time + max(query.rules.after, query.rules.mocked_window))
    return Observations(_closest(query, plain, first), _earliest_mocked(query, mocked, first), stay), last


def _closest(query: PresenceQuery, plain: Series, first: int) -> LocationFix | None:
    """OOS-7: the valid report closest in time; of two equally close ones the earlier (no two have the same time)."""
    first, last = max(query.time - query.rules.before, first), query.time + query.rules.after
    middle = plain.index(max(query.time, first))

    def first_valid(indices: range) -> Report | None:
        for index in indices:
            report = unpack(plain.rows[index])
            if not first <= report.time <= last:
                return None
            if report.is_valid(query.rules.max_accuracy_m):
                return report
        return None

    earlier = first_valid(range(middle - 1, plain.start - 1, -1))
    later = first_valid(range(middle, len(plain.rows)))
    candidates = [report for report in (earlier, later) if report is not None]
    if not candidates:
        return None
    return _fix(min(candidates, key=lambda report: (abs(report.time - query.time), report.time)))


def _earliest_mocked(query: PresenceQuery, mocked: Series, first: int) -> LocationFix | None:
    window = query.rules.mocked_window
    rows = mocked.between(max(query.time - window, first), query.time + window)
    return _fix(unpack(rows[0])) if rows else None


def _stay(query: PresenceQuery, plain: Series, first: int) -> tuple[LocationFix | None, int]:
    """Return the report that shows that the partner stayed, and the instant after which no report can change that."""
    rules = query.rules
    if not query.stay or query.site is None:
        return None, query.time
    last = query.time + rules.linger
    for row in plain.between(max(query.time, first), last):
        report = unpack(row)
        if not report.is_valid(rules.max_accuracy_m):
            continue
        if distance_m(report, query.site) <= rules.radius_m:
            if report.time - query.time >= rules.stay:
                return _fix(report), report.time
        elif report.time > query.time:
            return None, report.time
    return None, last


def _fix(report: Report) -> LocationFix:
    return LocationFix(report.ref, report.time, distance_m=None, place=Site(report.lat, report.lon))
