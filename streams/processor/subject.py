"""What the processor keeps state about: cases and partners, and the names by which the store and the runtime know them.

A name is `case:ID` or `partner:ID`. It is stored: as a key of checkpoints, in progress records and in attempt logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_CASE: Final = "case"
_PARTNER: Final = "partner"


def case_name(case_id: str) -> str:
    """Return the name of a case."""
    return f"{_CASE}:{case_id}"


def partner_name(partner_id: str) -> str:
    """Return the name of a partner."""
    return f"{_PARTNER}:{partner_id}"


class Subject(NamedTuple):
    """What a name stands for; other keys of a checkpoint are neither a case nor a partner."""

    kind: str
    id: str

    @property
    def is_case(self) -> bool:
        """Whether it is a case."""
        return self.kind == _CASE

    @property
    def is_partner(self) -> bool:
        """Whether it is a partner."""
        return self.kind == _PARTNER

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
        """Return the subjects that have these names; other names are left out."""
        subjects = cls()
        for name in names:
            subjects.add(name)
        return subjects

    def add(self, name: str) -> None:
        """Add the subject that has a name, if it is a case or a partner."""
        subject = Subject.parse(name)
        if subject.is_case:
            self.cases.add(subject.id)
        elif subject.is_partner:
            self.partners.add(subject.id)

    def __contains__(self, name: object) -> bool:
        """Return whether the subject that has a name is among them."""
        subject = Subject.parse(str(name))
        return subject.id in (self.cases if subject.is_case else self.partners)

    def names(self) -> list[str]:
        """Return the names, cases first, in order."""
        return [*map(case_name, sorted(self.cases)), *map(partner_name, sorted(self.partners))]

    def clear(self) -> None:
        """Remove all."""
        self.cases.clear()
        self.partners.clear()
