"""Decision tables: the first row whose condition holds decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic

from agents.case.evaluation import Deadlines, Evidence, RuleResult
from agents.sops.explained import ExplainedDecision, ExplainedRow
from agents.sops.tables.cells import F, Select, cite, value
from agents.sops.tables.terms import Term, all_hold, explain_terms
from schemas.outputs import DecisionBody, Status, kind_of, vocabulary


@dataclass(frozen=True, kw_only=True)
class Row(Generic[F]):
    """A row of a decision table; the condition may rely on no earlier row having applied."""

    name: str
    """Unique among the rows of all SOPs, and never given to another row."""
    when: tuple[Term[F], ...]
    """The condition: terms that all have to hold. Without any, the row decides whatever no earlier row decided."""
    outcome: str
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
            clauses=self.cited_clauses(facts),
            evidence=self.cite(facts),
            reasons=value(self.reasons, facts),
            deadlines=passed,
            fields={name: value(given, facts) for name, given in self.fields.items()},
        )

    def cited_clauses(self, facts: F) -> tuple[str, ...]:
        """Return the clauses that the row cites."""
        more = (clause for clause, applies in self.clauses_if.items() if applies(facts))
        return (*value(self.clauses, facts), *more)

    def explain(self, facts: F) -> ExplainedRow:
        """Return how each term of the condition turns out."""
        return ExplainedRow(
            name=self.name,
            outcome=self.outcome,
            clauses=tuple(sorted(set(self.cited_clauses(facts)))),
            terms=explain_terms(self.when, facts),
        )

    def cite(self, facts: F) -> tuple[Evidence, ...]:
        """Return the evidence that the row selects."""
        return cite(self.evidence, facts)


@dataclass(frozen=True, kw_only=True)
class DecisionTable(Generic[F]):
    """A kind of decision. Where the terms of `applies` hold, the first row whose condition holds decides."""

    kind: type[DecisionBody]
    applies: tuple[Term[F], ...]
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
        if all_hold(self.applies, facts):
            for row in self.rows:
                if all_hold(row.when, facts):
                    return row
        return None

    def decide(self, facts: F, deadlines: Deadlines) -> RuleResult | None:
        """Return what the deciding row decides; None if there is nothing to decide."""
        row = self.row(facts)
        return None if row is None else row.result(facts, deadlines)

    def explain(self, facts: F, deadlines: Deadlines, *, subject_of: str, partner_id: str | None) -> ExplainedDecision:
        """Return what is decided, with the rows up to the one that decides, or why there is nothing to decide."""
        decisive = self.row(facts)
        result = None if decisive is None else decisive.result(facts, deadlines)
        rows: list[ExplainedRow] = []
        for row in self.rows if all_hold(self.applies, facts) else ():
            rows.append(row.explain(facts))
            if row is decisive:
                break
        return ExplainedDecision(
            kind=kind_of(self.kind),
            subject_of=subject_of,
            partner_id=partner_id,
            outcome=None if result is None else result.outcome,
            status=None if result is None else result.status,
            final_from=None if decisive is None or decisive.final_from is None else decisive.final_from(facts),
            applies=explain_terms(self.applies, facts),
            rows=tuple(rows),
        )
