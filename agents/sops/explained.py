"""What is said about a decision: the rows of its table up to the one that fired, and on which term each failed."""

from __future__ import annotations

from msgspec import Struct

from schemas.outputs import Status


class ExplainedTerm(Struct, frozen=True):
    """A term of a condition, as it turned out."""

    asked: str
    """What has to be the case, as in `the partner was off site`."""
    holds: bool
    found: str
    """What is the case, as in `the partner was not off site (presence: on_site)`."""


class ExplainedRow(Struct, frozen=True, kw_only=True):
    """A row of a decision table that was looked at. It fired if all its terms hold."""

    name: str
    outcome: str
    clauses: tuple[str, ...]
    terms: tuple[ExplainedTerm, ...]

    @property
    def fired(self) -> bool:
        """Whether the row decides."""
        return not self.failing

    @property
    def failing(self) -> tuple[ExplainedTerm, ...]:
        """The terms that do not hold."""
        return tuple(term for term in self.terms if not term.holds)


class ExplainedDecision(Struct, frozen=True, kw_only=True):
    """A decision, or why there is none.

    `kind`, `subject_of` and `partner_id` are those of the decision. Where its table does not apply, there are no rows,
    and some of the terms under which it applies do not hold.
    """

    kind: str
    subject_of: str
    partner_id: str | None
    outcome: str | None
    """None: there is nothing to decide."""
    status: Status | None
    final_from: int | None
    """The deadline (microseconds) until which the decision is provisional; None where the row that fired has none."""
    applies: tuple[ExplainedTerm, ...]
    rows: tuple[ExplainedRow, ...]
    """The rows in order, the last of which fired if there is a decision."""
