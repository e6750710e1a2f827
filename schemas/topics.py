"""The names of all topics (contracts, "Topics"): which event goes in where, which message comes out where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.events import EVENT_TYPES

JOBS: Final = "jobs"
TICKETS: Final = "tickets"
CANCELLATIONS: Final = "cancellations"
LOCATIONS: Final = "locations"
ACTIONS: Final = "actions"
ALERTS: Final = "alerts"
DEAD_LETTERS: Final = "dead-letters"

INPUTS: Final = (JOBS, TICKETS, CANCELLATIONS, LOCATIONS)
"""Topics of events in, keyed by case, locations by partner."""

INTERNAL: Final = ("internal.cases", "internal.partners", "internal.progress")
"""Topics of the implementation's own: what goes to a case, what goes to a partner, and how far a worker has read."""

_FAMILIES: Final = {"job": JOBS, "ticket": TICKETS, "cancellation": CANCELLATIONS, "location": LOCATIONS}

TOPIC_OF_TYPE: Final[Mapping[str, str]] = {name: _FAMILIES[name.partition(".")[0]] for name in EVENT_TYPES}
"""Input topic of every event type."""


def decision_topic(kind: str) -> str:
    """Return the topic of a kind of decision."""
    return f"decisions.{kind.replace('_', '-')}"


def output_topics(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the topics of messages out, for some kinds of decision."""
    return (*map(decision_topic, kinds), ACTIONS, ALERTS, DEAD_LETTERS)


class Topics:
    """All topic names, with the topics of some kinds of decision; every name begins with `prefix`, taken as it is."""

    def __init__(self, kinds: Iterable[str], prefix: str = "") -> None:
        kinds = tuple(kinds)
        self.inputs: Final = tuple(prefix + name for name in INPUTS)
        self.outputs: Final = tuple(prefix + name for name in output_topics(kinds))
        self.internal: Final = tuple(prefix + name for name in INTERNAL)
        self.cases, self.partners, self.progress = self.internal
        self.consumed: Final = (*self.inputs, self.cases, self.partners)
        self.all: Final = (*self.inputs, *self.outputs, *self.internal)
        self.locations: Final = prefix + LOCATIONS
        self.actions: Final = prefix + ACTIONS
        self.alerts: Final = prefix + ALERTS
        self.dead_letters: Final = prefix + DEAD_LETTERS
        self._decisions: Final = {kind: prefix + decision_topic(kind) for kind in kinds}
        self._of_type: Final = {name: prefix + topic for name, topic in TOPIC_OF_TYPE.items()}

    def of(self, event_type: str) -> str:
        """Return the topic on which events of a known type come in."""
        return self._of_type[event_type]

    def decision(self, kind: str) -> str:
        """Return the topic to which decisions of a kind go."""
        return self._decisions[kind]
