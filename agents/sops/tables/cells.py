"""The cells of a row: a constant, or a function of the facts that the row looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from agents.case.evaluation import Evidence, RuleResult
from agents.case.view import CaseView
from schemas.policy.model import Policy

F = TypeVar("F")
T = TypeVar("T")
Select = Callable[[F], Sequence[Evidence]]
"""Selects evidence. A selector whose fact is absent returns nothing, so a table needs no "if there is one"."""
Results = Mapping[str, RuleResult]
"""What the decision tables of an SOP gave for one subject, by kind."""


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


def value(given: T | Callable[[F], T], facts: F) -> T:
    """Return a constant, or what a function computes from the facts."""
    return given(facts) if callable(given) else given


def cite(selectors: Iterable[Select[F]], facts: F) -> tuple[Evidence, ...]:
    """Return the evidence that selectors find."""
    return tuple(cited for select in selectors for cited in select(facts))
