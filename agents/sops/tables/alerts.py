"""Tables of alerts: each row is an alert, with the condition under which it is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from agents.case.evaluation import AlertCondition, Deadlines
from agents.sops.contract import AlertKind
from agents.sops.tables.cells import F, Results, Select, Subject, cite
from schemas.outputs import AlertBody, Severity

A = TypeVar("A", bound=Subject)
A_contra = TypeVar("A_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class AlertRow(Generic[F]):
    """An alert: about a `moment`, sent once, or about a `condition`, firing while it holds."""

    name: str
    about: Literal["moment", "condition"]
    severity: Severity
    summary: str
    clauses: tuple[str, ...]
    """For the documentation only."""
    key: tuple[str, ...]
    """The labels that identify the alert: names of attributes of the facts. Labels whose value is None are left out."""
    when: Callable[[F], bool]
    not_before: Callable[[F], int] | None = None
    """A deadline (microseconds) before which the alert is not raised."""
    starts_at: Callable[[F], int] | None = None
    """When it started (microseconds); default: the latest time among its evidence and `not_before`."""
    evidence: tuple[Select[F], ...]

    def condition(
        self, facts: F, place: Mapping[str, str], moment_ttl: int, deadlines: Deadlines
    ) -> AlertCondition | None:
        """Return the alert if it is raised; one about a moment fires for `moment_ttl` (microseconds)."""
        if not self.when(facts):
            return None
        due = self.not_before(facts) if self.not_before else None
        if due is not None and not deadlines.passed(due):
            return None
        evidence = cite(self.evidence, facts)
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
    """Alerts whose rows look at the same thing, which `facts` yields. Of several with one key the earliest counts."""

    facts: Callable[[A, Results], Iterable[F]]
    rows: tuple[AlertRow[F], ...]

    def conditions(
        self, subject: A, results: Results, place: Mapping[str, str], deadlines: Deadlines
    ) -> Iterator[AlertCondition]:
        """Yield the alerts about a subject."""
        all_facts = tuple(self.facts(subject, results))
        if not all_facts:
            return
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


class Alerts(Protocol[A_contra]):
    """An `AlertTable`, whatever its rows look at."""

    def conditions(
        self, subject: A_contra, results: Results, place: Mapping[str, str], deadlines: Deadlines
    ) -> Iterator[AlertCondition]:
        """Yield the alerts about a subject."""

    @property
    def kinds(self) -> tuple[AlertKind, ...]:
        """The alerts of the table."""
