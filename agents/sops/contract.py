"""The protocol of an SOP: what it declares, and what it returns about a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from agents.case.evaluation import ActionCondition, AlertCondition, Deadlines, StandingDecision
from agents.case.presence import EngagementPresence, PresenceFact
from agents.case.view import CaseView, Engagement
from agents.sops.explained import ExplainedDecision
from agents.sops.tables.statements import KindStatements, Text
from schemas.outputs import DecisionBody, Severity
from schemas.policy.model import Policy, Section

Unit = Literal["engagement", "case"]
"""What an SOP decides about: each partner's part in a case, or the case as a whole."""


class Clause(Struct, frozen=True):
    """A clause of an SOP, in our own words."""

    summary: str
    """A few words, for explanations."""
    text: str
    """Whole sentences, for the glossary."""
    summary_hi: str
    """The summary in Hindi, for statements."""

    @property
    def statement(self) -> Text:
        """The summary in every language, for statements."""
        return Text(self.summary, self.summary_hi)


class CaseContext(Struct, frozen=True):
    """What an SOP is given about a case."""

    view: CaseView
    presence: tuple[EngagementPresence, ...]
    """Where the partner was, for each engagement of `view`."""
    policy: Policy
    place: Mapping[str, str]
    """The labels that all alerts of the case carry."""


class SopEvaluation(Struct, frozen=True):
    """What one SOP returns about a case."""

    decisions: list[StandingDecision]
    actions: list[ActionCondition]
    alerts: list[AlertCondition]


class AlertKind(Struct, frozen=True):
    """What the documentation says about an alert."""

    name: str
    severity: Severity
    is_moment: bool
    clauses: tuple[str, ...]
    summary: str


class Sop(Protocol):
    """A standard operating procedure. `agents.sops.registry` lists them all."""

    @property
    def name(self) -> str:
        """The `subject_of` of its decisions."""

    @property
    def title(self) -> str:
        """Its name in explanations."""

    @property
    def unit(self) -> Unit:
        """What its decisions are about; `engagement` makes the partner part of a decision's key."""

    @property
    def clauses(self) -> Mapping[str, Clause]:
        """Its clauses, by id."""

    @property
    def sections(self) -> tuple[type[Section], ...]:
        """Its sections of the policy."""

    @property
    def words(self) -> Mapping[str, str]:
        """Its part of the glossary."""

    @property
    def kinds(self) -> tuple[type[DecisionBody], ...]:
        """The kinds of decision that it makes."""

    @property
    def statements(self) -> Mapping[str, KindStatements]:
        """What statements for partners say about its decisions, by kind; a kind that is no partner's has none."""

    @property
    def alert_kinds(self) -> tuple[AlertKind, ...]:
        """The alerts that it raises."""

    @property
    def action_codes(self) -> tuple[str, ...]:
        """The actions that it asks for."""

    def presence_facts(self, engagement: Engagement) -> Iterable[PresenceFact]:
        """Return the facts of an engagement at which it needs to know where the partner was."""

    def evaluate(self, case: CaseContext, deadlines: Deadlines) -> SopEvaluation:
        """Return what should be decided, done and alerted about a case now; a pure function."""

    def explain(self, case: CaseContext, deadlines: Deadlines) -> Iterable[ExplainedDecision]:
        """Return every decision about a case, or why there is none, with the rows of its table; a pure function."""
