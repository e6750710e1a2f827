"""What the processor keeps state about: cases, partners, watches, and their names in the store and in the runtime.

A name is `case:ID`, `partner:ID` or `watch:ID`. It is a key of checkpoints, and part of progress records and attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agents.anomaly_agent import watch_of
from schemas.outputs import AlertMessage

CASE: Final = "case"
PARTNER: Final = "partner"
WATCH: Final = "watch"


def case_name(case_id: str) -> str:
    """Return the name of a case."""
    return f"{CASE}:{case_id}"


def partner_name(partner_id: str) -> str:
    """Return the name of a partner."""
    return f"{PARTNER}:{partner_id}"


def watch_name(watch: str) -> str:
    """Return the name of a watch."""
    return f"{WATCH}:{watch}"


def alert_subject(message: AlertMessage) -> Subject:
    """Return what an alert is of: the case, partner or watch whose owner emits it."""
    if (watch := watch_of(message.body)) is not None:
        return Subject(WATCH, watch)
    return Subject(CASE if "case_id" in message.body.labels else PARTNER, message.subject)


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
    """Sets of cases, partners and watches, by id."""

    cases: set[str] = field(default_factory=set)
    partners: set[str] = field(default_factory=set)
    watches: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, names: Iterable[str]) -> Subjects:
        """Return the cases, partners and watches that have these names; other names are left out."""
        ids: dict[str, set[str]] = {CASE: set(), PARTNER: set(), WATCH: set()}
        for kind, id_ in map(Subject.parse, names):
            ids.setdefault(kind, set()).add(id_)
        return cls(ids[CASE], ids[PARTNER], ids[WATCH])

    def __bool__(self) -> bool:
        return bool(self.cases or self.partners or self.watches)

    def __and__(self, others: Subjects) -> Subjects:
        """Return those that are among the others too."""
        return Subjects(self.cases & others.cases, self.partners & others.partners, self.watches & others.watches)

    def update(self, others: Subjects) -> None:
        """Add others."""
        self.cases.update(others.cases)
        self.partners.update(others.partners)
        self.watches.update(others.watches)

    def __sub__(self, others: Subjects) -> Subjects:
        """Return those that are not among the others."""
        return Subjects(self.cases - others.cases, self.partners - others.partners, self.watches - others.watches)

    def names(self) -> list[str]:
        """Return the names, cases first, then partners, in order."""
        return [
            *map(case_name, sorted(self.cases)),
            *map(partner_name, sorted(self.partners)),
            *map(watch_name, sorted(self.watches)),
        ]
