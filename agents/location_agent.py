"""The location agent: keeps partners' location reports where they arrive and answers presence queries about them.

A pure state machine, like the case agent. Out of about a hundred reports per job, only a few leave it, in answers.
"""

from __future__ import annotations

from typing import cast

from msgspec import structs

from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.presence.track import AddReportResult, Track
from schemas.codec.encoder import alert_id
from schemas.events import AnyEvent, Event, LocationReported, PartnerErased
from schemas.outputs import AlertMessage
from schemas.policy.model import PolicySet


class LocationAgent:
    """The tracks of one partition, by partner id.

    `emitted_alert_ids` are the alerts that recovery found already emitted.
    """

    def __init__(self, policies: PolicySet) -> None:
        self.tracks: dict[str, Track] = {}
        self.emitted_alert_ids: set[str] = set()
        self._policies = policies

    def use(self, policies: PolicySet) -> None:
        """Judge reports that come from now on by these policies."""
        self._policies = policies

    def track(self, partner_id: str) -> Track:
        """Return a partner's track, an empty one if it is not known."""
        track = self.tracks.get(partner_id)
        if track is None:
            track = self.tracks[partner_id] = Track(partner_id)
        return track

    def receive(self, event: AnyEvent) -> AddReportResult:
        """Add a location report to its partner's track, judged by the policy in force at its time.

        An erasure drops all that the track has (surfaces.md, "Erasure").
        """
        if type(event.data) is PartnerErased:
            return self._erase(event)
        report = cast("Event[LocationReported]", event)
        return self.track(event.subject).add_report(report, self._policies.at(event.time))

    def receive_until(self, partner_id: str, reports: list[Event[LocationReported]], until: int) -> int | None:
        """Add a partner's reports up to an instant; stop at the first that leads to an update and return its time.

        Returns None if none does; times are in microseconds. `reports` is in reverse order of time, and reports are
        removed from its end as they are added. The caller ensures that no query comes in between.
        """
        return self.track(partner_id).add_reports_until(reports, until, self._policies)

    def query(self, query: PresenceQuery, queried_at: int | None = None) -> None:
        """Add a presence query; `new_answers` answers it.

        `queried_at` is when it was sent (microseconds), None if tracks never depart. If the query's time was beyond the
        retention even then, an earlier track of the partner may have departed.
        """
        retention = self._policies.at(query.time).presence.retention
        is_old = queried_at is not None and queried_at - query.time > retention
        self.track(query.partner_id).query(query, may_have_departed=is_old)

    def kept_until(self, partner_id: str) -> int:
        """Return when (microseconds) a track may depart (surfaces.md, "Retention")."""
        latest = self.track(partner_id).latest
        return latest + self._policies.at(latest).presence.retention

    def depart(self, partner_id: str) -> bool:
        """Drop a partner's reports and queries; return whether anything of it still has to be remembered."""
        departing = self.tracks[partner_id]
        self.tracks[partner_id] = Track(partner_id, departing.emitted_alerts, erased_at=departing.erased_at)
        return departing.has_remains

    def _erase(self, event: AnyEvent) -> AddReportResult:
        known = self.track(event.subject)
        if event.time <= known.erased_at:
            return "duplicate"
        self.tracks[event.subject] = Track(event.subject, known.emitted_alerts, erased_at=event.time)
        return "applied"

    def has_updates(self, partner_id: str) -> bool:
        """Return whether `new_answers` or `new_alerts` may return anything; after most reports they do not."""
        return self.track(partner_id).has_updates

    def new_answers(self, partner_id: str, made_at: dict[str, int]) -> list[PresenceAnswer]:
        """Return a partner's new and changed answers, marked with the input positions at which they were made."""
        answers = self.track(partner_id).new_answers()
        return [structs.replace(answer, made_at=made_at) for answer in answers] if answers else []

    def new_alerts(self, partner_id: str, inputs: str | None = None) -> list[AlertMessage]:
        """Return the alerts about a partner's travel that have not been emitted."""
        alerts = [(alert_id(body), body) for body in self.track(partner_id).new_travel_alerts()]
        return [
            AlertMessage(body=body, alert_id=key, subject=partner_id, inputs=inputs)
            for key, body in alerts
            if key not in self.emitted_alert_ids
        ]
