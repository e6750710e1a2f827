"""What a partner's reports say of one moment: the answer that a reading carries (domain, "Presence")."""

from __future__ import annotations

from msgspec import Struct

from agents.presence.geo import distance_m
from agents.presence.queries import LocationFix, PresenceQuery
from agents.presence.reports import Report, Series, unpack
from schemas.events import Site


class Observations(Struct, frozen=True, array_like=True):
    """What a reading says (`agents.presence.queries.PresenceAnswer`), without its moment."""

    closest: LocationFix | None = None
    mocked: LocationFix | None = None
    stay: LocationFix | None = None


def reach_back(query: PresenceQuery) -> int:
    """Return how long before a moment a report can matter to it at most, in microseconds."""
    return max(query.rules.before, query.rules.mocked_window)


def reach_ahead(query: PresenceQuery) -> int:
    """Return how long after a moment a report can matter to it at most, in microseconds."""
    rules = query.rules
    return max(rules.after, rules.mocked_window, rules.linger if query.stay else 0)


def answer(query: PresenceQuery, plain: Series, mocked: Series, floor: int) -> tuple[Observations, int]:
    """Return the answer to a moment, and the instant (microseconds) after which no report can change it.

    Takes the partner's reports, mocked ones apart; those before `floor` do not count.
    """
    stay, stay_settled_at = _stay(query, plain, floor)
    settled_at = max(stay_settled_at, query.time + max(query.rules.after, query.rules.mocked_window))
    return Observations(_closest(query, plain, floor), _mocked(query, mocked, floor), stay), settled_at


def _closest(query: PresenceQuery, plain: Series, floor: int) -> LocationFix | None:
    """OOS-7: the valid report closest in time, of two equally close the earlier (no two have the same time)."""
    first, last = max(query.time - query.rules.before, floor), query.time + query.rules.after
    at = plain.index(max(query.time, first))

    def first_valid(indices: range) -> Report | None:
        for index in indices:
            report = unpack(plain.rows[index])
            if not first <= report.time <= last:
                return None
            if report.is_valid(query.rules.max_accuracy_m):
                return report
        return None

    nearest = (first_valid(range(at - 1, plain.start - 1, -1)), first_valid(range(at, len(plain.rows))))
    valid = [report for report in nearest if report is not None]
    if not valid:
        return None
    return _fix(min(valid, key=lambda report: (abs(report.time - query.time), report.time)))


def _mocked(query: PresenceQuery, mocked: Series, floor: int) -> LocationFix | None:
    """Return the earliest mocked report around the moment."""
    window = query.rules.mocked_window
    rows = mocked.between(max(query.time - window, floor), query.time + window)
    return _fix(unpack(rows[0])) if rows else None


def _stay(query: PresenceQuery, plain: Series, floor: int) -> tuple[LocationFix | None, int]:
    """Return the report that shows that the partner stayed on, and the instant after which none matters to that."""
    rules = query.rules
    if not query.stay or query.site is None:
        return None, query.time
    last = query.time + rules.linger
    for row in plain.between(max(query.time, floor), last):
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
