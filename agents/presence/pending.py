"""What a track remembers of a question about its partner's whereabouts, and of its answer."""

from __future__ import annotations

from msgspec import Struct

from agents.presence.answering import Observations, reach_back
from agents.presence.queries import PresenceQuery

PendingQueryKey = tuple[str, str]
"""(case id, ref of the moment's own fact): what identifies a question to one partner."""


class PendingQuery(Struct, array_like=True):
    """A moment asked about and what was last answered; instants in microseconds.

    Reports up to `until` can change the answer, those before `floor` do not count: the moment's window begins there, or
    the retention where the moment lay further back when it was asked. An instant before the window says that all of it
    counts, but that reports may have left with the track.
    """

    query: PresenceQuery
    floor: int
    until: int
    answer: Observations = Observations()

    @property
    def is_too_late(self) -> bool:
        """Whether the moment lay past the retention when it was asked."""
        return self.floor != self.query.time - reach_back(self.query)
