"""The names of all topics, and which messages each carries (contracts.md, "Topics")."""

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
LATEST: Final = "decisions.latest"
"""The last revision of every decision, as on its own topic; compacted."""
POLICIES: Final = "policies"
"""Policy documents by label, compacted, in one partition; every worker reads it whole."""
ACTS: Final = "audit.acts"
"""What people did in the console; no worker reads or writes it."""
CHECKPOINTS: Final = "audit.checkpoints"
"""Signed checkpoints of the log of an archive; no worker reads or writes it."""

INPUTS: Final = (JOBS, TICKETS, CANCELLATIONS, LOCATIONS)
"""Topics of input events, keyed by case id; `locations` by partner id."""

CASES: Final = "internal.cases"
"""Messages to cases: presence answers, events that came to another partition, and cases that are reopened."""
INTERNAL: Final = (CASES, "internal.partners", "internal.watches", "internal.progress")
"""Topics of the workers alone: messages to cases, partners and watches, and how far a worker has read."""

_FAMILIES: Final = {
    "job": JOBS,
    "ticket": TICKETS,
    "cancellation": CANCELLATIONS,
    "location": LOCATIONS,
    "case": JOBS,
    "partner": LOCATIONS,
}

TOPIC_OF_TYPE: Final[Mapping[str, str]] = {name: _FAMILIES[name.partition(".")[0]] for name in EVENT_TYPES}
"""The input topic of every event type."""


def decision_topic(kind: str) -> str:
    """Return the topic of a kind of decision, without the prefix."""
    return f"decisions.{kind.replace('_', '-')}"


def output_topics(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the output topics for some kinds of decision, without the prefix."""
    return (*map(decision_topic, kinds), ACTIONS, ALERTS, DEAD_LETTERS)


class Topics:
    """All topic names for some kinds of decision.

    Every name begins with `prefix`, except that those which workers write begin with `written_prefix`, if it is given.
    """

    def __init__(self, kinds: Iterable[str], prefix: str = "", written_prefix: str | None = None) -> None:
        kinds = tuple(kinds)
        written = prefix if written_prefix is None else written_prefix
        self.inputs: Final = tuple(prefix + name for name in INPUTS)
        self.outputs: Final = tuple(written + name for name in output_topics(kinds))
        self.internal: Final = tuple(written + name for name in INTERNAL)
        self.cases, self.partners, self.watches, self.progress = self.internal
        self.latest: Final = written + LATEST
        self.policies: Final = prefix + POLICIES
        self.acts: Final = prefix + ACTS
        self.checkpoints: Final = prefix + CHECKPOINTS
        self.consumed: Final = (*self.inputs, self.cases, self.partners, self.watches)
        self.written: Final = (*self.outputs, self.latest, *self.internal)
        self.all: Final = (*self.inputs, self.policies, *self.written)
        """The topics of the workers."""
        self.created: Final = self.all if written == prefix else self.written
        """Those that workers create: a shadow creates what it writes."""
        self.known: Final = (*self.all, self.acts, self.checkpoints)
        self.locations: Final = prefix + LOCATIONS
        self.actions: Final = written + ACTIONS
        self.alerts: Final = written + ALERTS
        self.dead_letters: Final = written + DEAD_LETTERS
        self.archived: Final = (*self.inputs, self.policies, *self.outputs, self.cases)
        """What an archive has: enough to decide anew, and what was decided."""
        self._decisions: Final = {kind: written + decision_topic(kind) for kind in kinds}
        self.decisions: Final = tuple(self._decisions.values())
        self._of_type: Final = {name: prefix + topic for name, topic in TOPIC_OF_TYPE.items()}

    def of(self, event_type: str) -> str:
        """Return the input topic of a known event type."""
        return self._of_type[event_type]

    def decision(self, kind: str) -> str:
        """Return the topic of a kind of decision."""
        return self._decisions[kind]
