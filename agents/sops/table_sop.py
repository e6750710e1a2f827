"""An SOP made of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from agents.case.evaluation import Deadlines, RuleResult
from agents.case.presence import PresenceFact
from agents.case.view import Engagement
from agents.sops.contract import AlertKind, CaseContext, Clause, SopEvaluation, Unit
from agents.sops.explained import ExplainedDecision
from agents.sops.tables.actions import Actions
from agents.sops.tables.alerts import Alerts
from agents.sops.tables.cells import Subject
from agents.sops.tables.decisions import DecisionTable
from agents.sops.tables.statements import KindStatements
from schemas.outputs import DecisionBody, kind_of
from schemas.policy.model import Section

A = TypeVar("A", bound=Subject)


@dataclass(frozen=True, kw_only=True)
class TableSop(Generic[A]):
    """An SOP made of tables (see `agents.sops.contract.Sop`).

    `assess` establishes the facts about each engagement, or about the case; the tables decide on each of them.
    """

    name: str
    title: str
    unit: Unit
    clauses: Mapping[str, Clause]
    sections: tuple[type[Section], ...]
    words: Mapping[str, str]
    presence_facts: Callable[[Engagement], Iterable[PresenceFact]]
    assess: Callable[[CaseContext], Iterable[A]]
    decisions: tuple[DecisionTable[A], ...]
    statements: Mapping[str, KindStatements]
    actions: tuple[Actions[A], ...]
    alerts: tuple[Alerts[A], ...]

    def evaluate(self, case: CaseContext, deadlines: Deadlines) -> SopEvaluation:
        """Return what should be decided, done and alerted about a case."""
        evaluation = SopEvaluation([], [], [])
        for subject in self.assess(case):
            results: dict[str, RuleResult] = {}
            for table in self.decisions:
                result = table.decide(subject, deadlines)
                if result is not None:
                    results[kind_of(table.kind)] = result
                    evaluation.decisions.append(
                        result.decision(
                            table.kind,
                            self.name,
                            case_id=case.view.case_id,
                            partner_id=subject.partner_id,
                            policy=case.policy,
                        )
                    )
            for actions in self.actions:
                evaluation.actions.extend(actions.conditions(subject, results, deadlines))
            for alerts in self.alerts:
                evaluation.alerts.extend(alerts.conditions(subject, results, case.place, deadlines))
        return evaluation

    def explain(self, case: CaseContext, deadlines: Deadlines) -> Iterator[ExplainedDecision]:
        """Yield every decision about a case, or why there is none, with the rows of its table."""
        for subject in self.assess(case):
            for table in self.decisions:
                yield table.explain(subject, deadlines, subject_of=self.name, partner_id=subject.partner_id)

    @property
    def kinds(self) -> tuple[type[DecisionBody], ...]:
        """The kinds of decision that it makes."""
        return tuple(table.kind for table in self.decisions)

    @property
    def alert_kinds(self) -> tuple[AlertKind, ...]:
        """The alerts that it raises."""
        return tuple(kind for table in self.alerts for kind in table.kinds)

    @property
    def action_codes(self) -> tuple[str, ...]:
        """The actions that it asks for."""
        return tuple(code for table in self.actions for code in table.codes)
