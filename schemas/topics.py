"""The names of all topics (contracts, "Topics"): which event goes in where, which message comes out where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.events import EVENT_TYPES
from schemas.outputs import DecisionKind

JOBS: Final = "jobs"
TICKETS: Final = "tickets"
CANCELLATIONS: Final = "cancellations"
LOCATIONS: Final = "locations"
ACTIONS: Final = "actions"
ALERTS: Final = "alerts"
DEAD_LETTERS: Final = "dead-letters"

INPUTS: Final = (JOBS, TICKETS, CANCELLATIONS, LOCATIONS)
"""Topics of events in, keyed by case, locations by partner."""

DECISIONS: Final[Mapping[DecisionKind, str]] = {
    "tagging": "decisions.tagging",
    "paf": "decisions.paf",
    "rating_reversal": "decisions.rating-reversal",
    "refund": "decisions.refund",
}
"""Topic of every kind of decision."""

OUTPUTS: Final = (*DECISIONS.values(), ACTIONS, ALERTS, DEAD_LETTERS)
"""Topics of messages out."""

INTERNAL: Final = ("internal.cases", "internal.partners", "internal.progress")
"""Topics of the implementation's own: what goes to a case, what goes to a partner, and how far a worker has read."""

_FAMILIES: Final = {"job": JOBS, "ticket": TICKETS, "cancellation": CANCELLATIONS, "location": LOCATIONS}

TOPIC_OF_TYPE: Final[Mapping[str, str]] = {name: _FAMILIES[name.partition(".")[0]] for name in EVENT_TYPES}
"""Input topic of every event type."""


class Topics:
    """All topic names under one prefix."""

    def __init__(self, prefix: str = "") -> None:
        """Take what every name begins with; it is put in front as it is."""
        self.inputs: Final = tuple(prefix + name for name in INPUTS)
        self.outputs: Final = tuple(prefix + name for name in OUTPUTS)
        self.internal: Final = tuple(prefix + name for name in INTERNAL)
        self.cases, self.partners, self.progress = self.internal
        self.consumed: Final = (*self.inputs, self.cases, self.partners)
        self.all: Final = (*self.inputs, *self.outputs, *self.internal)
        self.locations: Final = prefix + LOCATIONS
        self.actions: Final = prefix + ACTIONS
        self.alerts: Final = prefix + ALERTS
        self.dead_letters: Final = prefix + DEAD_LETTERS
        self._decisions: Final = {kind: prefix + name for kind, name in DECISIONS.items()}
        self._of_type: Final = {name: prefix + topic for name, topic in TOPIC_OF_TYPE.items()}

    def of(self, event_type: str) -> str:
        """Return the topic on which events of a known type come in."""
        return self._of_type[event_type]

    def decision(self, kind: DecisionKind) -> str:
        """Return the topic to which decisions of a kind go."""
        return self._decisions[kind]
