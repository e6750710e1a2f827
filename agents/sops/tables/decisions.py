"""Decision tables: the first row whose condition holds decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic

from agents.case.evaluation import Deadlines, Evidence, RuleResult
from agents.sops.tables.cells import F, Select, cite, value
from schemas.outputs import DecisionBody, Status, vocabulary


@dataclass(frozen=True, kw_only=True)
class Row(Generic[F]):
    """A row of a decision table; the condition may rely on no earlier row having applied."""

    outcome: str
    when: Callable[[F], bool]
    status: Status = "final"
    final_from: Callable[[F], int] | None = None
    """A deadline (microseconds) until which the decision is provisional; then `status`."""
    reasons: tuple[str, ...] | Callable[[F], tuple[str, ...]] = ()
    clauses: tuple[str, ...] | Callable[[F], tuple[str, ...]]
    clauses_if: Mapping[str, Callable[[F], bool]] = field(default_factory=dict)
    """Further clauses, each with the condition under which it is cited."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Fields that only this kind of decision has: a value, or a function of the facts."""
    evidence: tuple[Select[F], ...]

    def result(self, facts: F, deadlines: Deadlines) -> RuleResult:
        """Return what the row decides."""
        status: Status = self.status
        passed: tuple[int, ...] = ()
        if self.final_from is not None:
            due = self.final_from(facts)
            if deadlines.passed(due):
                passed = (due,)
            else:
                status = "provisional"
        return RuleResult(
            outcome=self.outcome,
            status=status,
            clauses=(
                *value(self.clauses, facts),
                *(clause for clause, applies in self.clauses_if.items() if applies(facts)),
            ),
            evidence=self.cite(facts),
            reasons=value(self.reasons, facts),
            deadlines=passed,
            fields={name: value(given, facts) for name, given in self.fields.items()},
        )

    def cite(self, facts: F) -> tuple[Evidence, ...]:
        """Return the evidence that the row selects."""
        return cite(self.evidence, facts)


@dataclass(frozen=True, kw_only=True)
class DecisionTable(Generic[F]):
    """A kind of decision. Where it `applies`, the first row whose condition holds decides."""

    kind: type[DecisionBody]
    applies: Callable[[F], bool]
    rows: tuple[Row[F], ...]

    def __post_init__(self) -> None:
        """Check the rows against the fields and the vocabulary of the kind, so that a typo fails at import."""
        outcomes, reasons = {*vocabulary(self.kind, "outcome")}, {*vocabulary(self.kind, "reasons")}
        for row in self.rows:
            for what, given, known in (
                ("outcome", {row.outcome}, outcomes),
                ("reason", set() if callable(row.reasons) else {*row.reasons}, reasons),
                ("field", {*row.fields}, {*self.kind.__struct_fields__}),
            ):
                assert given <= known, f"{self.kind.__name__} declares no {what} {', '.join(sorted(given - known))}"

    def row(self, facts: F) -> Row[F] | None:
        """Return the row that decides; None if there is nothing to decide."""
        if self.applies(facts):
            for row in self.rows:
                if row.when(facts):
                    return row
        return None

    def decide(self, facts: F, deadlines: Deadlines) -> RuleResult | None:
        """Return what the deciding row decides; None if there is nothing to decide."""
        row = self.row(facts)
        return None if row is None else row.result(facts, deadlines)
