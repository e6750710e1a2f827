"""What statements for partners say about a kind of decision, as data: for each case a text in every language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from schemas.outputs import DecisionBody, Status

Language = Literal["en", "hi"]
"""English or Hindi."""
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Text(Struct, frozen=True):
    """A text in every language, a field each. `{name}` stands for a value."""

    en: str
    hi: str

    def in_language(self, language: Language) -> str:
        """Return the text in one language."""
        text: str = getattr(self, language)
        return text


class Change(Struct, frozen=True):
    """A fact that would lead to another decision, and to which.

    `fact` begins a sentence ("If …") that the outcome ends. The outcome is one of `outcomes`; the status None means
    either.
    """

    fact: Text
    outcomes: tuple[str, ...]
    status: Status | None = "final"


class Wording(Struct, frozen=True, kw_only=True):
    """What a statement says about some of the decisions of a kind: those with these members; None is any."""

    outcome: str
    status: Status | None = None
    reason: str | None = None
    clause: str | None = None
    fields: Mapping[str, object] = {}
    """Fields that only this kind of decision has."""

    why: Text | None = None
    """Why it is decided so, where the decision has no reasons."""
    rests_on: Text
    """The facts that it rests on: they end a sentence."""
    is_favourable: bool = False
    """Nothing better is decided for the partner; the changes are what could still take it back."""
    changes: tuple[Change, ...]
    """What would change it, the nearest fact first."""

    def fits(self, body: DecisionBody) -> bool:
        """Return whether a decision is one of those."""
        return (
            body.outcome == self.outcome
            and self.status in {None, body.status}
            and (self.reason is None or self.reason in body.reasons)
            and (self.clause is None or self.clause in body.clauses)
            and all(getattr(body, name) == value for name, value in self.fields.items())
        )


class KindStatements(Struct, frozen=True, kw_only=True):
    """What statements say about the decisions of a kind that an SOP makes."""

    title: Text
    outcomes: Mapping[str, Text]
    """Each outcome: it ends a sentence."""
    reasons: Mapping[str, Text]
    """Each reason, a whole sentence."""
    fields: Mapping[str, Mapping[object, Text]] = {}
    """Values of fields that partners should know, each a whole sentence."""
    days: Mapping[str, Text] = {}
    """Fields that are days, each a sentence about `{day}`."""
    wordings: tuple[Wording, ...]
    """The first one that fits a decision counts."""
    contest: tuple[Text, ...]
    """What a partner who does not agree can do."""


def first_fitting(wordings: Iterable[Wording], body: DecisionBody) -> Wording | None:
    """Return the first wording that fits a decision, None if none does."""
    return next((each for each in wordings if each.fits(body)), None)
