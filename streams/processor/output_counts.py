"""Counts what a worker publishes, and how long events waited for their decisions, for its metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, get_args

from agents.sops import catalogue
from agents.sops.registry import SOPS
from schemas.outputs import (
    ActionMessage,
    ActionState,
    AlertMessage,
    AlertState,
    DecisionMessage,
    OutputMessage,
    kind_of,
    vocabulary,
)
from schemas.timestamps import SECOND_US

DELAY_BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds (seconds) of the histogram's buckets, without the infinite one."""


class Histogram:
    """How many values lie in each bucket between `bounds`, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value; a bucket includes its upper bound."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def copy(self) -> Histogram:
        """Return one that later values do not change."""
        other = Histogram(self.bounds)
        other.counts, other.sum = self.counts.copy(), self.sum
        return other


class OutputCounts:
    """What one process has published since its start, by labels that are values of the vocabulary.

    Counts begin with zeros, because a counter that exists before its first message shows that message as an increase.
    """

    def __init__(self) -> None:
        kinds = [(kind_of(body), sop.name, body) for sop in SOPS for body in sop.kinds]
        self.decisions = Counter(
            {(kind, sop, outcome): 0 for kind, sop, body in kinds for outcome in vocabulary(body, "outcome")}
        )
        """Revisions of decisions, by kind, SOP and outcome."""
        self.actions = Counter(
            {(code, state): 0 for code in catalogue.OUTPUTS.action_codes for state in get_args(ActionState)}
        )
        """Revisions of actions, by code and state."""
        self.alerts = Counter(
            {(name, state): 0 for name in catalogue.OUTPUTS.alert_names for state in get_args(AlertState)}
        )
        """Alerts, by name and state."""
        self.delays = {kind: Histogram(DELAY_BOUNDS_S) for kind in catalogue.OUTPUTS.bodies}
        """How many seconds events waited for the revisions that follow from them, by kind of decision."""

    def add(self, messages: Iterable[OutputMessage], since: int | None, now: int) -> None:
        """Count messages of one case, partner or watch that were published now (microseconds).

        `since` is the timestamp (microseconds) of the record from which they follow, None if there is none.
        """
        for message in messages:
            if isinstance(message, DecisionMessage):
                body = message.body
                self.decisions[body.kind, body.subject_of, body.outcome] += 1
                if since is not None:  # a producer's clock may be ahead
                    self.delays[body.kind].add(max(now - since, 0) / SECOND_US)
            elif isinstance(message, ActionMessage):
                self.actions[message.body.code, message.body.state] += 1
            elif isinstance(message, AlertMessage):
                self.alerts[message.body.name, message.body.state] += 1


class UnpublishedOutputs:
    """What one partition number has decided and not yet published, and since when its cases have waited for that."""

    def __init__(self, counts: OutputCounts) -> None:
        self._counts = counts
        self._waiting_since: dict[str, int] = {}
        self._decided: list[tuple[Sequence[OutputMessage], int | None]] = []

    def await_decision(self, case_id: str, timestamp: int | None) -> None:
        """Note that a record with this timestamp (microseconds; None: it has none) has changed a case."""
        if timestamp is not None:
            self._waiting_since.setdefault(case_id, timestamp)

    def add(self, case_id: str | None, messages: Sequence[OutputMessage]) -> None:
        """Add what was decided about a case, None for something else."""
        since = None if case_id is None else self._waiting_since.pop(case_id, None)
        if messages:
            self._decided.append((messages, since))

    def clear(self) -> None:
        """Forget what was added."""
        self._decided.clear()

    def count(self, now: int) -> None:
        """Count what was added as published now (microseconds)."""
        for messages, since in self._decided:
            self._counts.add(messages, since, now)
        self._decided.clear()
