"""Partners' reports, added to their tracks as far ahead of the replay's clock as nobody can ask about them.

A question about a partner comes at the instant of a fact of a case that names the partner. From one such instant to the
next a track takes its reports at one go, unless one of them is news: it changes a reading, or a journey was too fast.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, cast

from agents.location_agent import LocationAgent
from schemas.events import AnyEvent, Event, LocationReported

IN_ORDER: Final = attrgetter("time", "id", "source")
"""`Event.order`, made in a third of the time."""


class LookAhead:
    """The reports that tracks have not taken yet, and the instant (microseconds) up to which each partner's has."""

    def __init__(
        self, locations: LocationAgent, reports: Iterable[AnyEvent], asked_at: Mapping[str, Iterable[int]], until: int
    ) -> None:
        """Take reports in any order, the instants at which each partner can be asked about, and where the clock ends.

        Tracks take what they can before the first of these instants.
        """
        self._locations = locations
        self._until = until
        self._left: dict[str, list[Event[LocationReported]]] = {}
        for report in reports:
            self._left.setdefault(report.subject, []).append(cast("Event[LocationReported]", report))
        self._asked_at = {partner_id: sorted(asked_at.get(partner_id, ()), reverse=True) for partner_id in self._left}
        self._stops: list[tuple[int, str]] = []
        for partner_id, left in self._left.items():
            left.sort(key=IN_ORDER, reverse=True)
            self._go_on(partner_id)

    def next(self) -> int | None:
        """Return the next instant at which a track stopped."""
        return self._stops[0][0] if self._stops else None

    def stopped(self, now: int) -> list[str]:
        """Return the partners whose tracks stopped at an instant."""
        found = []
        while self._stops and self._stops[0][0] == now:
            found.append(heapq.heappop(self._stops)[1])
        return found

    def go_on(self, partner_ids: Iterable[str], now: int) -> None:
        """Let tracks go on that stopped at an instant, when all that concerns it has been asked and heard."""
        for partner_id in partner_ids:
            asked_at = self._asked_at[partner_id]
            while asked_at and asked_at[-1] <= now:
                asked_at.pop()
            self._go_on(partner_id)

    def _go_on(self, partner_id: str) -> None:
        left, asked_at = self._left[partner_id], self._asked_at[partner_id]
        end = min(asked_at[-1], self._until) if asked_at else self._until
        stop = self._locations.receive_until(partner_id, left, end)
        if stop is None and left and end < self._until:
            stop = end
        if stop is not None:
            heapq.heappush(self._stops, (stop, partner_id))
