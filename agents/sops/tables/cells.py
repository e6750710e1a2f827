"""The cells of a row: a constant, or a function of the facts that the row looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from agents.case.evaluation import Evidence, RuleResult
from agents.case.view import CaseView, Ticket
from schemas.policy.model import Policy

F = TypeVar("F")
T = TypeVar("T")
Select = Callable[[F], Sequence[Evidence]]
"""Selects evidence. A selector whose fact is absent returns nothing, so a table needs no "if there is one"."""
Results = Mapping[str, RuleResult]
"""What the decision tables of an SOP gave for one subject, by kind."""


class Subject(Protocol):
    """What the tables can rely on about what an SOP assessed."""

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
A_co = TypeVar("A_co", bound=Subject, covariant=True)


class Situation(Struct, Generic[A_co], frozen=True, kw_only=True):
    """What rows of actions and alerts look at: a subject, its decisions, and a ticket if they are about one."""

    a: A_co
    results: Results
    ticket: Ticket | None = None

    @property
    def case_id(self) -> str:
        """The case."""
        return self.a.view.case_id

    @property
    def partner_id(self) -> str | None:
        """The partner whom the decisions are about."""
        return self.a.partner_id

    @property
    def ticket_id(self) -> str | None:
        """The ticket."""
        return self.ticket.id if self.ticket else None

    def outcome(self, kind: str) -> str | None:
        """Return the outcome of a kind of decision; None if there is no such decision."""
        return self.results[kind].outcome if kind in self.results else None

    def reasons(self, kind: str) -> tuple[str, ...]:
        """Return the reasons of a kind of decision."""
        return self.results[kind].reasons if kind in self.results else ()


def of(select: Select[A]) -> Select[Situation[A]]:
    """Return a selector of a subject's evidence as one of a situation's."""
    return lambda s: select(s.a)


def ticket(s: Situation[Subject]) -> tuple[Evidence, ...]:
    """Return the creation of the ticket."""
    return (s.ticket.created,) if s.ticket else ()


def decided(kind: str) -> Select[Situation[Subject]]:
    """Return a selector of the evidence of a kind of decision."""
    return lambda s: s.results[kind].evidence if kind in s.results else ()


def value(given: T | Callable[[F], T], facts: F) -> T:
    """Return a constant, or what a function computes from the facts."""
    return given(facts) if callable(given) else given


def cite(selectors: Iterable[Select[F]], facts: F) -> tuple[Evidence, ...]:
    """Return the evidence that selectors find."""
    return tuple(cited for select in selectors for cited in select(facts))
