"""The three tables that an SOP is made of: decisions, actions, alerts. A row is data; its condition is a predicate.

`F` is what a row looks at: the facts that the SOP has established about one engagement, ticket or case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from agents.case.evaluation import ActionCondition, AlertCondition, Deadlines, Evidence, RuleResult
from agents.case.presence import PresenceMoment
from agents.case.view import CaseView, Engagement
from agents.sops.contract import AlertKind, CaseContext, Clause, Findings, Unit
from schemas.outputs import AlertBody, DecisionBody, Severity, Status, kind_of, vocabulary
from schemas.policy.model import Policy, Section


class Subject(Protocol):
    """What every row can rely on about the facts that it looks at."""

    @property
    def view(self) -> CaseView:
        """The case."""

    @property
    def policy(self) -> Policy:
        """The policy in force for the case."""

    @property
    def partner_id(self) -> str | None:
        """The partner whom the decisions are about."""


A = TypeVar("A", bound=Subject)
A_contra = TypeVar("A_contra", contravariant=True)
F = TypeVar("F")
T = TypeVar("T")
Select = Callable[[F], Sequence[Evidence]]
"""Selects evidence. A selector whose fact is absent returns nothing, so a table needs no "if there is one"."""


def _value(given: T | Callable[[F], T], facts: F) -> T:
    """Return a constant of a row, or what it computes from the facts."""
    return given(facts) if callable(given) else given


def _cite(selectors: Iterable[Select[F]], facts: F) -> tuple[Evidence, ...]:
    return tuple(cited for select in selectors for cited in select(facts))


def _never(_: object) -> bool:
    return False


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
                *_value(self.clauses, facts),
                *(clause for clause, applies in self.clauses_if.items() if applies(facts)),
            ),
            evidence=self.cite(facts),
            reasons=_value(self.reasons, facts),
            deadlines=passed,
            fields={name: _value(value, facts) for name, value in self.fields.items()},
        )

    def cite(self, facts: F) -> tuple[Evidence, ...]:
        """Return the evidence that the row selects."""
        return _cite(self.evidence, facts)


@dataclass(frozen=True, kw_only=True)
class DecisionTable(Generic[F]):
    """A kind of decision. Where it `applies`, the first row whose condition holds decides."""

    kind: type[DecisionBody]
    applies: Callable[[F], bool]
    rows: tuple[Row[F], ...]

    def __post_init__(self) -> None:
        """Check the rows against the fields and the vocabulary of the kind, so that no typing error gets far."""
        outcomes, reasons = vocabulary(self.kind, "outcome"), vocabulary(self.kind, "reasons")
        for row in self.rows:
            assert row.outcome in outcomes, f"{kind_of(self.kind)}: unknown outcome {row.outcome}"
            assert callable(row.reasons) or reasons.issuperset(row.reasons), f"unknown reason among {row.reasons}"
            assert set(self.kind.__struct_fields__).issuperset(row.fields), f"unknown field among {[*row.fields]}"

    def row(self, facts: F) -> Row[F] | None:
        """Return the row that decides; None where there is nothing to decide."""
        return next((row for row in self.rows if row.when(facts)), None) if self.applies(facts) else None

    def decide(self, facts: F, deadlines: Deadlines) -> RuleResult | None:
        """Return what the deciding row decides; None where there is nothing to decide."""
        row = self.row(facts)
        return None if row is None else row.result(facts, deadlines)


class ActionFacts(Protocol):
    """What the facts of an action are about: an engagement, a ticket, or the case (both None)."""

    @property
    def partner_id(self) -> str | None:
        """Part of the action's key."""

    @property
    def ticket_id(self) -> str | None:
        """Part of the action's key."""


AF = TypeVar("AF", bound=ActionFacts)


@dataclass(frozen=True, kw_only=True)
class ActionRow(Generic[AF]):
    """A step for the desk: open while `open` holds; no longer open, it is done where `done` holds, else withdrawn."""

    code: str
    open: Callable[[AF], bool]
    done: Callable[[AF], bool] = _never
    since: Callable[[AF], int | None] | None = None
    """A deadline (microseconds) before which it is not open; None: that deadline does not count any more."""
    until: Callable[[AF], int | None] | None = None
    """A deadline (microseconds) from which on it is done."""
    clauses: tuple[str, ...] | Callable[[AF], tuple[str, ...]]
    params: Mapping[str, str | Callable[[AF], str]] = field(default_factory=dict)
    due_at: Callable[[AF], int] | None = None
    evidence: tuple[Select[AF], ...]

    def condition(self, facts: AF, deadlines: Deadlines) -> ActionCondition:
        """Return whether the step is open, done or neither."""
        limit = self.since or self.until
        due = limit(facts) if limit else None
        is_over = due is not None and deadlines.passed(due)
        is_in_time = is_over if self.since else not is_over
        return ActionCondition(
            code=self.code,
            partner_id=facts.partner_id,
            ticket_id=facts.ticket_id,
            open=is_in_time and self.open(facts),
            done=(is_over and self.until is not None) or self.done(facts),
            clauses=_value(self.clauses, facts),
            evidence=_cite(self.evidence, facts),
            params={name: _value(value, facts) for name, value in self.params.items()},
            due_at=self.due_at(facts) if self.due_at else None,
            deadlines=(due,) if due is not None and is_over else (),
        )


Results = Mapping[str, RuleResult]
"""What the decision tables of an SOP gave for one subject, by kind."""


@dataclass(frozen=True, kw_only=True)
class ActionTable(Generic[A, AF]):
    """Steps of one sort: `facts` says what each row looks at, once for each engagement, ticket or case."""

    facts: Callable[[A, Results], Iterable[AF]]
    rows: tuple[ActionRow[AF], ...]

    def conditions(self, subject: A, results: Results, deadlines: Deadlines) -> Iterator[ActionCondition]:
        """Yield the condition of every row for all that it could concern."""
        for facts in self.facts(subject, results):
            for row in self.rows:
                yield row.condition(facts, deadlines)

    @property
    def codes(self) -> tuple[str, ...]:
        """The actions of the table."""
        return tuple(row.code for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class AlertRow(Generic[F]):
    """An alert: about a `moment`, sent once, or about a `condition`, firing while it holds."""

    name: str
    about: Literal["moment", "condition"]
    severity: Severity
    summary: str
    clauses: tuple[str, ...]
    """What the alert guards; for the documentation."""
    key: tuple[str, ...]
    """The labels that identify the alert, each an attribute of the facts; one that is None is left out."""
    when: Callable[[F], bool]
    not_before: Callable[[F], int] | None = None
    """A deadline (microseconds) before which the alert is not raised."""
    starts_at: Callable[[F], int] | None = None
    """When it started (microseconds); default: the latest time among its evidence and `not_before`."""
    evidence: tuple[Select[F], ...]

    def condition(
        self, facts: F, place: Mapping[str, str], moment_ttl: int, deadlines: Deadlines
    ) -> AlertCondition | None:
        """Return the alert where it is to be raised; one about a moment fires for `moment_ttl` (microseconds)."""
        if not self.when(facts):
            return None
        due = self.not_before(facts) if self.not_before else None
        if due is not None and not deadlines.passed(due):
            return None
        evidence = _cite(self.evidence, facts)
        times = [cited.time for cited in evidence] + ([] if due is None else [due])
        starts_at = self.starts_at(facts) if self.starts_at else max(times)
        labels = {name: value for name in self.key if (value := getattr(facts, name)) is not None}
        body = AlertBody(
            name=self.name,
            severity=self.severity,
            state="firing",
            key=tuple(labels),
            labels={**labels, **place},
            summary=self.summary,
            evidence=tuple(sorted({cited.ref for cited in evidence})),
            starts_at=starts_at,
            ends_at=starts_at + moment_ttl if self.about == "moment" else None,
        )
        return AlertCondition(body, is_moment=self.about == "moment")


@dataclass(frozen=True, kw_only=True)
class AlertTable(Generic[A, F]):
    """Alerts of one sort: `facts` says what each row looks at. Of several with the same key the earliest counts."""

    facts: Callable[[A, Results], Iterable[F]]
    rows: tuple[AlertRow[F], ...]

    def conditions(
        self, subject: A, results: Results, place: Mapping[str, str], deadlines: Deadlines
    ) -> Iterator[AlertCondition]:
        """Yield the alerts to be raised about a subject."""
        all_facts = tuple(self.facts(subject, results))
        moment_ttl = subject.policy.alert.moment_ttl
        for row in self.rows:
            earliest: dict[tuple[tuple[str, str], ...], AlertCondition] = {}
            for facts in all_facts:
                found = row.condition(facts, place, moment_ttl, deadlines)
                if found is not None:
                    key = tuple((name, found.alert.labels[name]) for name in found.alert.key)
                    known = earliest.get(key)
                    if known is None or found.alert.starts_at < known.alert.starts_at:
                        earliest[key] = found
            yield from earliest.values()

    @property
    def kinds(self) -> tuple[AlertKind, ...]:
        """The alerts of the table."""
        return tuple(
            AlertKind(row.name, row.severity, row.about == "moment", row.clauses, row.summary) for row in self.rows
        )


class Actions(Protocol[A_contra]):
    """An `ActionTable`, whatever its rows look at."""

    def conditions(self, subject: A_contra, results: Results, deadlines: Deadlines) -> Iterator[ActionCondition]:
        """Yield the condition of every row."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The actions of the table."""


class Alerts(Protocol[A_contra]):
    """An `AlertTable`, whatever its rows look at."""

    def conditions(
        self, subject: A_contra, results: Results, place: Mapping[str, str], deadlines: Deadlines
    ) -> Iterator[AlertCondition]:
        """Yield the alerts to be raised."""

    @property
    def kinds(self) -> tuple[AlertKind, ...]:
        """The alerts of the table."""


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
    presence_moments: Callable[[Engagement], Iterable[PresenceMoment]]
    assess: Callable[[CaseContext], Iterable[A]]
    decisions: tuple[DecisionTable[A], ...]
    actions: tuple[Actions[A], ...]
    alerts: tuple[Alerts[A], ...]

    def evaluate(self, case: CaseContext, deadlines: Deadlines) -> Findings:
        """Return what ought to be decided, done and alerted about a case."""
        findings = Findings([], [], [])
        for subject in self.assess(case):
            results: dict[str, RuleResult] = {}
            for table in self.decisions:
                result = table.decide(subject, deadlines)
                if result is not None:
                    results[kind_of(table.kind)] = result
                    findings.decisions.append(
                        result.body(
                            table.kind,
                            self.name,
                            case_id=case.view.case_id,
                            partner_id=subject.partner_id,
                            policy=case.policy,
                        )
                    )
            for actions in self.actions:
                findings.actions.extend(actions.conditions(subject, results, deadlines))
            for alerts in self.alerts:
                findings.alerts.extend(alerts.conditions(subject, results, case.place, deadlines))
        return findings

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
