"""What the rules return about a case: decisions, actions and alerts, with the evidence and deadlines behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import UNSET, Struct, field

from schemas.outputs import AlertBody, DecisionBody, Status
from schemas.policy.model import Policy


class Evidence(Protocol):
    """What a decision can cite: a fact or a location report."""

    @property
    def ref(self) -> str:
        """`source#id` of the event."""

    @property
    def time(self) -> int:
        """Event time in microseconds."""


class Deadlines:
    """The instants that rules wait for.

    A deadline has passed at its own instant. Rules see only when a deadline was due, never when a worker noticed it, so
    the outcome does not depend on when the case is evaluated.
    """

    def __init__(self, now: int) -> None:
        """Deadlines up to `now` (microseconds) have passed."""
        self.now = now
        self.next: int | None = None
        """The earliest deadline asked for that has not passed."""
        self.last_passed = 0
        """The latest deadline asked for that has passed."""

    def passed(self, due: int) -> bool:
        """Return whether a deadline has passed, and remember it either way."""
        if due <= self.now:
            self.last_passed = max(self.last_passed, due)
            return True
        if self.next is None or due < self.next:
            self.next = due
        return False


class StandingDecision(Struct, frozen=True):
    """A decision that should be in force, and the passed deadlines (microseconds) that it rests on."""

    body: DecisionBody
    deadlines: tuple[int, ...]


class RuleResult(Struct, frozen=True, kw_only=True):
    """The outcome of a decision table, with its evidence and the passed deadlines that it rests on."""

    outcome: str
    status: Status
    clauses: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    reasons: tuple[str, ...] = ()
    deadlines: tuple[int, ...] = ()
    fields: Mapping[str, object] = field(default_factory=dict)
    """The fields that only this kind of decision has, by name (`tag_code`, `cancellation_marked`, …)."""

    @property
    def effective_at(self) -> int:
        """The latest time among the evidence and the passed deadlines, in microseconds."""
        return max([cited.time for cited in self.evidence] + list(self.deadlines))

    def decision(
        self, kind: type[DecisionBody], subject_of: str, *, case_id: str, partner_id: str | None, policy: Policy
    ) -> StandingDecision:
        """Return the decision that this result makes about a case."""
        body = kind(
            subject_of=subject_of,
            case_id=case_id,
            partner_id=partner_id,
            status=self.status,
            outcome=self.outcome,
            reasons=tuple(sorted(set(self.reasons))),
            clauses=tuple(sorted(set(self.clauses))),
            evidence=tuple(sorted({cited.ref for cited in self.evidence})),
            policy=policy.name,
            effective_at=self.effective_at,
            **{name: value for name, value in self.fields.items() if value is not UNSET},
        )
        return StandingDecision(body, self.deadlines)


class ActionCondition(Struct, frozen=True, kw_only=True):
    """A step for the desk: open, or done because its result is there.

    A step that was open before and has no condition any more is withdrawn. `due_at` is in microseconds;
    `deadlines` are the passed ones that an open step rests on.
    """

    code: str
    partner_id: str | None = None
    ticket_id: str | None = None
    open: bool
    clauses: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    due_at: int | None = None
    deadlines: tuple[int, ...] = ()


class AlertCondition(Struct, frozen=True):
    """An alert whose condition holds now; its body says `firing`.

    An alert about a moment is sent once, one about a condition fires while the condition holds.
    """

    alert: AlertBody
    is_moment: bool


class Evaluation(Struct, frozen=True):
    """All that should be decided about a case.

    `as_of` (microseconds) is the latest of the case's facts, presence answers and passed deadlines; at `next_deadline`
    the evaluation may change without a new fact.
    """

    decisions: tuple[StandingDecision, ...]
    actions: tuple[ActionCondition, ...]
    alerts: tuple[AlertCondition, ...]
    as_of: int
    next_deadline: int | None
