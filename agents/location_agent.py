"""The location agent: keeps partners' reports where they arrive and answers the case agent's questions about them.

A pure state machine like the case agent: of some hundred reports a job only a handful of readings travel.
"""

from __future__ import annotations

from typing import cast

from msgspec import structs

from agents.case.case import AddFactResult
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.presence.track import Track
from schemas.codec.encoder import alert_id
from schemas.events import AnyEvent, Event, LocationReported
from schemas.outputs import AlertMessage
from schemas.policy.model import PolicySet


class LocationAgent:
    """The tracks of one partition's partners, by partner id."""

    def __init__(self, policies: PolicySet) -> None:
        """Take the policies; a report is judged by the one in force at its own time."""
        self.tracks: dict[str, Track] = {}
        self.emitted_alert_ids: set[str] = set()
        """Ids of alerts found already sent when recovering."""
        self._policies = policies

    def track(self, partner_id: str) -> Track:
        """Return a partner's track, begun if nothing was known."""
        track = self.tracks.get(partner_id)
        if track is None:
            track = self.tracks[partner_id] = Track(partner_id)
        return track

    def receive(self, event: AnyEvent) -> AddFactResult:
        """Add a location report to its partner's track."""
        report = cast("Event[LocationReported]", event)
        return self.track(event.subject).add_report(report, self._policies.at(event.time))

    def receive_until(self, partner_id: str, reports: list[Event[LocationReported]], until: int) -> int | None:
        """Add reports of a partner, all known beforehand, until one is news; return its instant, None if none is.

        Takes them off the end of a list in reverse order of time, up to an instant (both in microseconds). Nobody may
        have a question before it.
        """
        return self.track(partner_id).add_reports_until(reports, until, self._policies)

    def query(self, query: PresenceQuery, queried_at: int | None = None) -> None:
        """Take a question; `new_answers` has the answer.

        `queried_at` is when it was put (microseconds; None: tracks do not leave): a moment older then than tracks
        are kept for may have been known to one that has left.
        """
        retention = self._policies.at(query.time).presence.retention
        is_old = queried_at is not None and queried_at - query.time > retention
        self.track(query.partner_id).query(query, may_have_departed=is_old)

    def kept_until(self, partner_id: str) -> int:
        """Return until when (microseconds) a track is kept: `presence.retention` after its latest report or moment."""
        latest = self.track(partner_id).latest
        return latest + self._policies.at(latest).presence.retention

    def depart(self, partner_id: str) -> bool:
        """Forget a partner's reports; return whether something remains: about which of them alerts were sent.

        They may come again, and no alert is sent twice.
        """
        told = self.tracks[partner_id].emitted_alerts
        self.tracks[partner_id] = Track(partner_id, told)
        return bool(told)

    def has_updates(self, partner_id: str) -> bool:
        """Tell whether `answers` or `alerts` may have anything to say of a partner now; most reports say nothing."""
        return self.track(partner_id).has_updates

    def new_answers(self, partner_id: str, made_at: dict[str, int]) -> list[PresenceAnswer]:
        """Return a partner's readings that are new or changed, marked with the input positions they were made at."""
        answers = self.track(partner_id).new_answers()
        return [structs.replace(answer, made_at=made_at) for answer in answers] if answers else []

    def new_alerts(self, partner_id: str, inputs: str | None = None) -> list[AlertMessage]:
        """Return the alerts about a partner's travel that have not been sent."""
        travels = self.track(partner_id).new_travel_alerts()
        if not travels:
            return []
        found = [(alert_id(finding.alert), finding.alert) for finding in travels]
        return [
            AlertMessage(body=body, alert_id=key, subject=partner_id, inputs=inputs)
            for key, body in found
            if key not in self.emitted_alert_ids
        ]
