"""A case: the set of its facts, the presence answers about its partners, and what was emitted about it.

Adding a fact is idempotent and commutative, so a case is the same in whatever order its facts arrive (runtime.md, "The
case"). What was emitted can be rebuilt from the output topics, the source of truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from agents.case.view import CaseView, build_case_view
from agents.presence.queries import PresenceAnswer, PresenceQuery, PresenceQueryKey
from schemas.events import AnyEvent
from schemas.outputs import (
    ActionMessage,
    AlertMessage,
    AnyDecision,
    DecisionBody,
    DecisionKey,
    DecisionMessage,
    OutputMessage,
)

AddFactResult = Literal["applied", "duplicate", "conflict", "full", "departed"]
Rejection = Literal["conflict", "full", "departed"]
NO_LONGER_KEPT: Final = "subject: no longer kept"
"""The reason of dead letters for a departed case."""
NOT_ITS_LAST: Final = "value: the case has departed with other decisions"
"""The reason of dead letters for a former state of a departed case that is not its last one."""
ActionKey = tuple[str, str | None, str | None]
"""(code, partner id, ticket id): identifies an action within its case."""


class EmittedMessages:
    """The last message emitted about a case for each decision, action and alert."""

    __slots__ = ("actions", "alerts", "decisions")

    def __init__(self) -> None:
        self.decisions: dict[DecisionKey, AnyDecision] = {}
        self.actions: dict[ActionKey, ActionMessage] = {}
        self.alerts: dict[str, AlertMessage] = {}

    def record(self, message: OutputMessage, decision_key: Callable[[DecisionBody], DecisionKey]) -> None:
        """Record a message as emitted; messages with one key must come in the order in which they were emitted."""
        if isinstance(message, DecisionMessage):
            self.decisions[decision_key(message.body)] = message
        elif isinstance(message, ActionMessage):
            body = message.body
            self.actions[(body.code, body.partner_id, body.ticket_id)] = message
        else:
            self.alerts[message.alert_id] = message

    def add_missing(self, former: EmittedMessages) -> None:
        """Add what was emitted earlier and of which nothing is known here."""
        self.decisions = former.decisions | self.decisions
        self.actions = former.actions | self.actions
        self.alerts = former.alerts | self.alerts

    @property
    def is_open(self) -> bool:
        """Whether any decision is provisional, any action open or any condition alert firing."""
        return (
            any(each.body.status == "provisional" for each in self.decisions.values())
            or any(each.body.state == "open" for each in self.actions.values())
            or any(each.body.state == "firing" and each.body.ends_at is None for each in self.alerts.values())
        )


class Case:
    """One case.

    `decided_at` is the latest instant (microseconds) up to which deadlines were taken as passed. `queries` are the
    presence queries sent and `queried_view` is the view that they were derived from. `contributed` has a digest of what
    was last contributed to each watch, and `contributed_view` is the view that it was derived from. A departed case has
    only `decided_at` and `last_revisions`, the ids of its last decisions (surfaces.md, "Retention").
    """

    __slots__ = (
        "_view",
        "answers",
        "case_id",
        "contributed",
        "contributed_view",
        "decided_at",
        "emitted",
        "facts",
        "last_revisions",
        "queried_view",
        "queries",
    )

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.facts: dict[tuple[str, str], AnyEvent] = {}
        self.answers: dict[PresenceQueryKey, PresenceAnswer] = {}
        self.queries: dict[PresenceQueryKey, PresenceQuery] = {}
        self.queried_view: CaseView | None = None
        self.contributed: dict[str, bytes] = {}
        self.contributed_view: CaseView | None = None
        self.emitted = EmittedMessages()
        self.decided_at = 0
        self.last_revisions: tuple[str, ...] | None = None
        self._view: CaseView | None = None

    def add_fact(self, event: AnyEvent, facts_max: int) -> AddFactResult:
        """Add a fact unless it is known, conflicts with a known one, exceeds the limit, or the case is departed."""
        if self.is_departed:
            return "departed"
        known = self.facts.get(event.identity)
        if known is not None:
            return "duplicate" if known.digest == event.digest else "conflict"
        if len(self.facts) >= facts_max:
            return "full"
        self.facts[event.identity] = event
        self._view = None
        return "applied"

    def apply_answer(self, answer: PresenceAnswer) -> bool:
        """Store a presence answer unless a better one is known; return whether the content changed."""
        if self.is_departed:
            return False
        known = self.answers.get(answer.query.key)
        if known is not None and not answer.replaces(known):
            return False
        self.answers[answer.query.key] = answer
        return known is None or not known.has_same_content_as(answer)

    @property
    def view(self) -> CaseView:
        """The facts, sorted."""
        if self._view is None:
            self._view = build_case_view(self.case_id, self.facts.values())
        return self._view

    @property
    def is_departed(self) -> bool:
        """Whether nothing is kept of the case but the ids of its last decisions and `decided_at`."""
        return self.last_revisions is not None

    def depart(self) -> None:
        """Drop everything but the ids of the last decisions and `decided_at`."""
        self.last_revisions = self.revision_ids()
        self.facts, self.answers, self.queries, self.emitted = {}, {}, {}, EmittedMessages()
        self.contributed = {}
        self.queried_view = self.contributed_view = self._view = None

    def reopen(self, former: Case) -> bool:
        """Take what a former state of the case has and this one lacks; a departed case is then kept again.

        Returns False, and changes nothing, if the case has departed with other last decisions than the former state's.
        """
        if self.is_departed and self.last_revisions != former.revision_ids():
            return False
        self.last_revisions = None
        self.facts = former.facts | self.facts
        for answer in former.answers.values():
            self.apply_answer(answer)
        self.emitted.add_missing(former.emitted)
        self.decided_at = max(self.decided_at, former.decided_at)
        self._view = None
        return True

    def revision_ids(self) -> tuple[str, ...]:
        """Return the ids of the last decisions, sorted."""
        return tuple(sorted(each.decision_id for each in self.emitted.decisions.values()))

    def awaits_answer(self) -> bool:
        """Return whether a first answer to some query is still on its way; a case never waits for a stay."""
        return any(
            (known := self.answers.get(key)) is None or known.query.window != query.window
            for key, query in self.queries.items()
        )

    def drop_empty_answers(self) -> None:
        """Drop answers without a report to queries that are no longer asked.

        Answers with a report stay: a later assignment can bring the query back when the reports are gone.
        """
        dropped = [key for key in self.answers.keys() - self.queries.keys() if not self.answers[key].fixes]
        for key in dropped:
            del self.answers[key]


def rejection_reason(event: AnyEvent, rejection: Rejection) -> str:
    """Return the reason with which a rejected event goes to the dead letters (contracts.md, "Envelope")."""
    if rejection == "conflict":
        return f"id: {event.ref} is known with other content"
    if rejection == "departed":
        return NO_LONGER_KEPT
    return f"subject: {event.subject} has as many facts as a case may have"
