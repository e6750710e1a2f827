"""Tables of actions: each row is a step for the desk, with the conditions under which it is open and done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from agents.case.evaluation import ActionCondition, Deadlines
from agents.sops.tables.cells import Results, Select, Subject, cite, value

A = TypeVar("A", bound=Subject)
A_contra = TypeVar("A_contra", contravariant=True)


def _never(_: object) -> bool:
    return False


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
    """A step for the desk: open while `open` holds, after that done if `done` holds, else withdrawn."""

    code: str
    open: Callable[[AF], bool]
    done: Callable[[AF], bool] = _never
    since: Callable[[AF], int | None] | None = None
    """A deadline (microseconds) before which it is not open; None: it is not open at all."""
    until: Callable[[AF], int | None] | None = None
    """A deadline (microseconds) after which it counts as done; None: there is no such deadline."""
    clauses: tuple[str, ...] | Callable[[AF], tuple[str, ...]]
    params: Mapping[str, str | Callable[[AF], str]] = field(default_factory=dict)
    due_at: Callable[[AF], int] | None = None
    evidence: tuple[Select[AF], ...]

    def condition(self, facts: AF, deadlines: Deadlines) -> ActionCondition | None:
        """Return the step if it is open or done; None means that it is withdrawn if it ever was open."""
        limit = self.since or self.until
        due = limit(facts) if limit else None
        is_over = due is not None and deadlines.passed(due)
        if is_over == (self.since is not None) and self.open(facts):
            return ActionCondition(
                code=self.code,
                partner_id=facts.partner_id,
                ticket_id=facts.ticket_id,
                open=True,
                clauses=value(self.clauses, facts),
                evidence=cite(self.evidence, facts),
                params={name: value(given, facts) for name, given in self.params.items()},
                due_at=self.due_at(facts) if self.due_at else None,
                deadlines=(due,) if due is not None and is_over else (),
            )
        if (is_over and self.until is not None) or self.done(facts):
            return ActionCondition(code=self.code, partner_id=facts.partner_id, ticket_id=facts.ticket_id, open=False)
        return None


@dataclass(frozen=True, kw_only=True)
class ActionTable(Generic[A, AF]):
    """Steps whose rows look at the same thing, which `facts` yields: each engagement, ticket or case."""

    facts: Callable[[A, Results], Iterable[AF]]
    rows: tuple[ActionRow[AF], ...]

    def conditions(self, subject: A, results: Results, deadlines: Deadlines) -> Iterator[ActionCondition]:
        """Yield every step about a subject that is open or done."""
        for facts in self.facts(subject, results):
            for row in self.rows:
                condition = row.condition(facts, deadlines)
                if condition is not None:
                    yield condition

    @property
    def codes(self) -> tuple[str, ...]:
        """The actions of the table."""
        return tuple(row.code for row in self.rows)


class Actions(Protocol[A_contra]):
    """An `ActionTable`, whatever its rows look at."""

    def conditions(self, subject: A_contra, results: Results, deadlines: Deadlines) -> Iterator[ActionCondition]:
        """Yield every step about a subject that is open or done."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The actions of the table."""
