"""What the processor keeps state about: cases and partners, and their names in the store and in the runtime.

A name is `case:ID` or `partner:ID`. It is a key of checkpoints and part of progress records and attempt logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

CASE: Final = "case"
PARTNER: Final = "partner"


def case_name(case_id: str) -> str:
    """Return the name of a case."""
    return f"{CASE}:{case_id}"


def partner_name(partner_id: str) -> str:
    """Return the name of a partner."""
    return f"{PARTNER}:{partner_id}"


class Subject(NamedTuple):
    """What a name stands for; keys of a checkpoint that are no names have another `kind`."""

    kind: str
    id: str

    @classmethod
    def parse(cls, name: str) -> Subject:
        """Return the subject that has a name."""
        kind, _, id_ = name.partition(":")
        return cls(kind, id_)


@dataclass(frozen=True, slots=True)
class Subjects:
    """A set of cases and a set of partners, by id."""

    cases: set[str] = field(default_factory=set)
    partners: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, names: Iterable[str]) -> Subjects:
        """Return the cases and partners that have these names; other names are left out."""
        ids: dict[str, set[str]] = {CASE: set(), PARTNER: set()}
        for kind, id_ in map(Subject.parse, names):
            ids.setdefault(kind, set()).add(id_)
        return cls(ids[CASE], ids[PARTNER])

    def update(self, others: Subjects) -> None:
        """Add other cases and partners."""
        self.cases.update(others.cases)
        self.partners.update(others.partners)

    def without(self, others: Subjects) -> Subjects:
        """Return the cases and partners that are not among the others."""
        return Subjects(self.cases - others.cases, self.partners - others.partners)

    def names(self) -> list[str]:
        """Return the names, cases first, in order."""
        return [*map(case_name, sorted(self.cases)), *map(partner_name, sorted(self.partners))]
