"""Adds location reports to partners' tracks in long runs, as far ahead of the replay's clock as no query can notice.

Cases query a partner's presence only at the times of facts of cases that name the partner. Between two such instants a
track receives its reports in one go, and pauses only at a report that changes an answer or shows impossible travel.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, cast

from agents.location_agent import LocationAgent
from schemas.events import AnyEvent, Event, LocationReported

EVENT_ORDER: Final = attrgetter("time", "id", "source")
"""`Event.order` in a third of the time."""


class LookAhead:
    """The reports that tracks have not received yet.

    `query_times` are the instants (microseconds) at which each partner can be queried, `until` the end of the clock.
    Reports may be in any order. The tracks receive what they can before the first query when this is created.
    """

    def __init__(
        self,
        locations: LocationAgent,
        reports: Iterable[AnyEvent],
        query_times: Mapping[str, Iterable[int]],
        until: int,
    ) -> None:
        self._locations = locations
        self._until = until
        self._remaining: dict[str, list[Event[LocationReported]]] = {}
        for report in reports:
            self._remaining.setdefault(report.subject, []).append(cast("Event[LocationReported]", report))
        self._query_times = {
            partner_id: sorted(query_times.get(partner_id, ()), reverse=True) for partner_id in self._remaining
        }
        self._paused: list[tuple[int, str]] = []
        """Heap of the instants at which tracks are paused."""
        for partner_id, remaining in self._remaining.items():
            remaining.sort(key=EVENT_ORDER, reverse=True)
            self._advance(partner_id)

    def next(self) -> int | None:
        """Return the earliest instant at which a track is paused, None if no track is."""
        return self._paused[0][0] if self._paused else None

    def paused_at(self, now: int) -> list[str]:
        """Return the partners whose tracks are paused at `now`; resume each of them when `now` is done."""
        partner_ids = []
        while self._paused and self._paused[0][0] == now:
            partner_ids.append(heapq.heappop(self._paused)[1])
        return partner_ids

    def resume(self, partner_ids: Iterable[str], now: int) -> None:
        """Resume tracks that were paused at `now`, once all queries and answers of that instant are done."""
        for partner_id in partner_ids:
            query_times = self._query_times[partner_id]
            while query_times and query_times[-1] <= now:
                query_times.pop()
            self._advance(partner_id)

    def _advance(self, partner_id: str) -> None:
        remaining, query_times = self._remaining[partner_id], self._query_times[partner_id]
        end = min(query_times[-1], self._until) if query_times else self._until
        pause = self._locations.receive_until(partner_id, remaining, end)
        if pause is None and remaining and end < self._until:
            pause = end
        if pause is not None:
            heapq.heappush(self._paused, (pause, partner_id))
