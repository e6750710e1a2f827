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


def reach_back(moment: PresenceQuery) -> int:
    """Return how long before a moment a report can matter to it at most, in microseconds."""
    return max(moment.rules.before, moment.rules.mocked_window)


def reach_ahead(moment: PresenceQuery) -> int:
    """Return how long after a moment a report can matter to it at most, in microseconds."""
    rules = moment.rules
    return max(rules.after, rules.mocked_window, rules.linger if moment.stay else 0)


def answer(moment: PresenceQuery, plain: Series, mocked: Series, floor: int) -> tuple[Observations, int]:
    """Return the answer to a moment, and the instant (microseconds) after which no report can change it.

    Takes the partner's reports, mocked ones apart; those before `floor` do not count.
    """
    stay, stay_settled_at = _stay(moment, plain, floor)
    settled_at = max(stay_settled_at, moment.time + max(moment.rules.after, moment.rules.mocked_window))
    return Observations(_closest(moment, plain, floor), _mocked(moment, mocked, floor), stay), settled_at


def _closest(moment: PresenceQuery, plain: Series, floor: int) -> LocationFix | None:
    """OOS-7: the valid report closest in time, of two equally close the earlier (no two have the same time)."""
    first, last = max(moment.time - moment.rules.before, floor), moment.time + moment.rules.after
    at = plain.index(max(moment.time, first))

    def first_valid(indices: range) -> Report | None:
        for index in indices:
            report = unpack(plain.rows[index])
            if not first <= report.time <= last:
                return None
            if report.is_valid(moment.rules.max_accuracy_m):
                return report
        return None

    nearest = (first_valid(range(at - 1, plain.start - 1, -1)), first_valid(range(at, len(plain.rows))))
    valid = [report for report in nearest if report is not None]
    if not valid:
        return None
    return _sighting(min(valid, key=lambda report: (abs(report.time - moment.time), report.time)))


def _mocked(moment: PresenceQuery, mocked: Series, floor: int) -> LocationFix | None:
    """Return the earliest mocked report around the moment."""
    window = moment.rules.mocked_window
    rows = mocked.between(max(moment.time - window, floor), moment.time + window)
    return _sighting(unpack(rows[0])) if rows else None


def _stay(moment: PresenceQuery, plain: Series, floor: int) -> tuple[LocationFix | None, int]:
    """Return the report that shows that the partner stayed on, and the instant after which none matters to that."""
    rules = moment.rules
    if not moment.stay or moment.site is None:
        return None, moment.time
    last = moment.time + rules.linger
    for row in plain.between(max(moment.time, floor), last):
        report = unpack(row)
        if not report.is_valid(rules.max_accuracy_m):
            continue
        if distance_m(report, moment.site) <= rules.radius_m:
            if report.time - moment.time >= rules.stay:
                return _sighting(report), report.time
        elif report.time > moment.time:
            return None, report.time
    return None, last


def _sighting(report: Report) -> LocationFix:
    return LocationFix(report.ref, report.time, distance_m=None, place=Site(report.lat, report.lon))
