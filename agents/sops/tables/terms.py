"""The terms of a condition: statements about the facts, each with its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic

from msgspec import Struct, structs

from agents.sops.explained import ExplainedTerm
from agents.sops.tables.cells import F


class Term(Struct, Generic[F], frozen=True):
    """A statement about the facts that holds or does not; `~` denies it.

    A condition is a tuple of terms, all of which have to hold. A term can be asked of any facts, whatever the terms
    before it say.
    """

    is_true: Callable[[F], bool]
    affirmed: str
    """The statement in plain words, as in `the claim is genuine`."""
    denied: str
    """Its opposite, as in `the claim is not genuine`."""
    actual: Callable[[F], str] | None = None
    """What is the case instead where the statement is not true, in a word or two, as in `genuineness: pending`."""
    expected: bool = True
    """False: what has to hold is the opposite."""

    def __invert__(self) -> Term[F]:
        """Return the opposite."""
        return structs.replace(self, expected=not self.expected)

    def explain(self, facts: F) -> ExplainedTerm:
        """Return what was asked, whether it holds, and what is the case."""
        is_true = self.is_true(facts)
        found = self.affirmed if is_true else self.denied
        if not is_true and self.actual is not None:
            found = f"{found} ({self.actual(facts)})"
        asked = self.affirmed if self.expected else self.denied
        return ExplainedTerm(asked, is_true is self.expected, found)


def all_hold(condition: Iterable[Term[F]], facts: F) -> bool:
    """Return whether all terms of a condition hold."""
    for term in condition:  # noqa: SIM110 - every row of every decision calls this, and all() takes twice as long
        if term.is_true(facts) is not term.expected:
            return False
    return True


def explain_terms(condition: Iterable[Term[F]], facts: F) -> tuple[ExplainedTerm, ...]:
    """Return how each term of a condition turns out."""
    return tuple(term.explain(facts) for term in condition)
