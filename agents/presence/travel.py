"""The `impossible_travel` alert: two successive reports that imply an impossible speed (domain.md, "Alerts")."""

from __future__ import annotations

from typing import Final

from agents.presence.geo import distance_at_most_m, distance_m
from agents.presence.reports import Report, ReportRules
from schemas.outputs import AlertBody

KMH_PER_M_PER_US: Final = 3_600_000.0


def may_be_impossible(earlier: Report, later: Report, rules: ReportRules) -> bool:
    """Return False, cheaply, if two reports are certainly too close for an alert, as nearly all are."""
    return distance_at_most_m(earlier, later) >= rules.travel_distance_m


def impossible_travel(partner_id: str, earlier: Report, later: Report, rules: ReportRules) -> AlertBody | None:
    """Return the alert for two successive valid reports, or None if the travel is possible.

    `rules` are those of the later report. Reports further apart than the retention never raise the alert.
    """
    travelled_m = distance_m(earlier, later) - earlier.accuracy_m - later.accuracy_m
    elapsed = later.time - earlier.time
    is_far = travelled_m >= rules.travel_distance_m
    is_fast = travelled_m * KMH_PER_M_PER_US > rules.travel_speed_kmh * elapsed
    if not (is_far and is_fast) or elapsed > rules.retention:
        return None
    return AlertBody(
        name="impossible_travel",
        severity="warning",
        state="firing",
        key=("partner_id", "report"),
        labels={"partner_id": partner_id, "report": later.ref},
        summary=f"{travelled_m:,.0f} m or more lie between two successive reports {elapsed / 1e6:,.0f} s apart",
        evidence=tuple(sorted((earlier.ref, later.ref))),
        starts_at=later.time,
        ends_at=later.time + rules.moment_ttl,
    )
