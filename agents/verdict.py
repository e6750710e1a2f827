"""What the rules hand over: rulings, steps and findings, and the deadlines they looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import UNSET, Struct, field

from schemas.outputs import AlertBody, DecisionBody, DecisionKind, Status, SubjectOf
from schemas.policy.model import Policy


class Citable(Protocol):
    """What can be evidence: a fact or a location report."""

    @property
    def ref(self) -> str:
        """The `source#id` of it."""

    @property
    def time(self) -> int:
        """When it happened, in microseconds."""


class Deadlines:
    """The instants that rules wait for: tells which have passed at `now` and remembers the next that has not.

    A deadline counts as passed at its own instant. Rules see the due time only, never the moment it was noticed.
    """

    def __init__(self, now: int) -> None:
        """Take the instant (microseconds) up to which deadlines have passed."""
        self.now = now
        self.next: int | None = None
        self.last_passed = 0

    def passed(self, due: int) -> bool:
        """Tell whether a deadline has passed; one that has not is remembered."""
        if due <= self.now:
            self.last_passed = max(self.last_passed, due)
            return True
        if self.next is None or due < self.next:
            self.next = due
        return False


class RuleResult(Struct, frozen=True, kw_only=True):
    """One row of a decision table that applies, with its evidence as facts and the passed deadlines it rests on."""

    outcome: str
    status: Status
    clauses: tuple[str, ...]
    evidence: tuple[Citable, ...]
    reasons: tuple[str, ...] = ()
    deadlines: tuple[int, ...] = ()
    fields: Mapping[str, object] = field(default_factory=dict)
    """Further fields of the decision's body, by name (`tag_code`, `cancellation_marked`, …)."""

    def body(
        self,
        kind: DecisionKind,
        subject_of: SubjectOf,
        *,
        case_id: str,
        partner_id: str | None,
        policy: Policy,
    ) -> DecisionBody:
        """Return the decision that this ruling makes; `effective_at` is the latest of evidence and deadlines."""
        times = [cited.time for cited in self.evidence] + list(self.deadlines)
        return DecisionBody(
            kind=kind,
            subject_of=subject_of,
            case_id=case_id,
            partner_id=partner_id,
            status=self.status,
            outcome=self.outcome,
            reasons=tuple(sorted(set(self.reasons))),
            clauses=tuple(sorted(set(self.clauses))),
            evidence=tuple(sorted({cited.ref for cited in self.evidence})),
            policy=policy.name,
            effective_at=max(times),
            **{name: value for name, value in self.fields.items() if value is not UNSET},  # type: ignore[arg-type]
        )


class Step(Struct, frozen=True, kw_only=True):
    """One possible next step for the desk: whether its condition holds, and whether its own result is there.

    Rules return a step for every engagement or ticket it could concern, open or not, so that one which was open
    before can be told done from withdrawn. `due_at` in microseconds; `deadlines` are the passed ones that the
    condition rests on.
    """

    code: str
    partner_id: str | None = None
    ticket_id: str | None = None
    open: bool
    done: bool
    clauses: tuple[str, ...]
    evidence: tuple[Citable, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    due_at: int | None = None
    deadlines: tuple[int, ...] = ()


class AlertCondition(Struct, frozen=True):
    """An alert that is true now (its body says `firing`): about a moment, sent once, or a condition, while it holds."""

    alert: AlertBody
    is_moment: bool


class Evaluation(Struct, frozen=True):
    """All that ought to be decided about a case.

    `as_of` (microseconds) is the latest of its facts, readings and passed deadlines: when the case came to be as it is;
    `next_deadline` the instant at which it may change without a new fact.
    """

    decisions: tuple[DecisionBody, ...]
    steps: tuple[Step, ...]
    findings: tuple[AlertCondition, ...]
    as_of: int
    next_deadline: int | None
