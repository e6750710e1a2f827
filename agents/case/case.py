"""A case: the set of its facts, what it was told of its partners' whereabouts, and what has been said about it.

Adding a fact is idempotent and commutative, so a case is the same however its facts came in. What was emitted can
be rebuilt from the output topics alone, which are the truth of it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from agents.case.view import CaseView, build_case_view
from agents.presence.queries import PresenceAnswer, PresenceQuery, PresenceQueryKey
from schemas.events import AnyEvent
from schemas.outputs import ActionMessage, AlertMessage, DecisionKey, DecisionMessage, OutputMessage

AddFactResult = Literal["applied", "duplicate", "conflict", "full", "departed"]
Rejection = Literal["conflict", "full", "departed"]
NO_LONGER_KEPT: Final = "subject: no longer kept"
"""The reason of dead letters that came for a departed case."""
ActionKey = tuple[str, str | None, str | None]
"""(code, partner id, ticket id): what identifies an action within its case."""


class EmittedMessages:
    """The last of everything that was emitted about one case, by its key."""

    __slots__ = ("actions", "alerts", "decisions")

    def __init__(self) -> None:
        """Begin with nothing emitted."""
        self.decisions: dict[DecisionKey, DecisionMessage] = {}
        self.actions: dict[ActionKey, ActionMessage] = {}
        self.alerts: dict[str, AlertMessage] = {}

    def record(self, message: OutputMessage) -> None:
        """Take a message as emitted; messages of one key come in the order in which they were emitted."""
        if isinstance(message, DecisionMessage):
            self.decisions[message.body.key] = message
        elif isinstance(message, ActionMessage):
            body = message.body
            self.actions[(body.code, body.partner_id, body.ticket_id)] = message
        else:
            self.alerts[message.alert_id] = message

    @property
    def is_open(self) -> bool:
        """Whether something is still to follow: a provisional decision, an open action, a condition that fires."""
        return (
            any(each.body.status == "provisional" for each in self.decisions.values())
            or any(each.body.state == "open" for each in self.actions.values())
            or any(each.body.state == "firing" and each.body.ends_at is None for each in self.alerts.values())
        )


class Case:
    """One case; `decided_at` is the latest instant (microseconds) up to which deadlines have been taken as passed.

    Of a departed case, which is no longer kept (surfaces, 4.9), there are `last_revisions` and nothing else.
    """

    __slots__ = (
        "_view",
        "answers",
        "case_id",
        "decided_at",
        "emitted",
        "facts",
        "last_revisions",
        "queried_view",
        "queries",
    )

    def __init__(self, case_id: str) -> None:
        """Begin a case of which nothing is known."""
        self.case_id = case_id
        self.facts: dict[tuple[str, str], AnyEvent] = {}
        self.answers: dict[PresenceQueryKey, PresenceAnswer] = {}
        self.queries: dict[PresenceQueryKey, PresenceQuery] = {}
        self.queried_view: CaseView | None = None
        """The history that `queries` was made from."""
        self.emitted = EmittedMessages()
        self.decided_at = 0
        self.last_revisions: tuple[str, ...] | None = None
        """The ids of its last decisions, when it is departed."""
        self._view: CaseView | None = None

    def add_fact(self, event: AnyEvent, facts_max: int) -> AddFactResult:
        """Add a fact; say whether it is new, known already, a conflict with a known one, one too many, or too late."""
        if self.last_revisions is not None:
            return "departed"
        known = self.facts.get(event.identity)
        if known is not None:
            return "duplicate" if known.content == event.content else "conflict"
        if len(self.facts) >= facts_max:
            return "full"
        self.facts[event.identity] = event
        self._view = None
        return "applied"

    def apply_answer(self, answer: PresenceAnswer) -> bool:
        """Take a reading unless a better one of that moment is there; say whether it changes what is known.

        Better is one made while the reports were there, then the later made: a question may be repeated when they are
        gone, after a recovery or for another site. To a departed case nothing makes a difference.
        """
        if self.last_revisions is not None:
            return False
        known = self.answers.get(answer.query.key)
        if known is not None and not _replaces(answer, known):
            return False
        self.answers[answer.query.key] = answer
        return known is None or not known.has_same_content_as(answer)

    @property
    def view(self) -> CaseView:
        """The facts in their order."""
        if self._view is None:
            self._view = build_case_view(self.case_id, self.facts.values())
        return self._view

    @property
    def is_departed(self) -> bool:
        """Whether it is no longer kept."""
        return self.last_revisions is not None

    def depart(self) -> None:
        """Keep nothing but the ids of the last decisions, and when they were made."""
        self.last_revisions = tuple(sorted(each.decision_id for each in self.emitted.decisions.values()))
        self.facts, self.answers, self.queries, self.emitted = {}, {}, {}, EmittedMessages()
        self.queried_view = self._view = None

    def awaits_answer(self) -> bool:
        """Tell whether the answer to some moment asked is still on its way; for a stay nobody waits."""
        return any(
            (known := self.answers.get(key)) is None or known.query.window != query.window
            for key, query in self.queries.items()
        )

    def drop_empty_answers(self) -> None:
        """Let go of the readings of moments not asked about any more that saw nobody.

        The others are kept: a moment can come back, with an assignment, when the reports are gone.
        """
        gone = [key for key in self.answers.keys() - self.queries.keys() if not self.answers[key].fixes]
        for key in gone:
            del self.answers[key]


def rejection_reason(event: AnyEvent, refusal: Rejection) -> str:
    """Return the reason with which an event goes to the dead letters (contracts, "Envelope")."""
    if refusal == "conflict":
        return f"id: {event.ref} is known with other content"
    if refusal == "departed":
        return NO_LONGER_KEPT
    return f"subject: {event.subject} has as many facts as a case may have"


def _replaces(new: PresenceAnswer, known: PresenceAnswer) -> bool:
    if new.query.window == known.query.window and new.too_late != known.too_late:
        return known.too_late
    return all(new.made_at.get(part, 0) >= at for part, at in known.made_at.items())


class CaseState(Struct, frozen=True, array_like=True):
    """A case as a checkpoint keeps it."""

    case_id: str
    facts: list[AnyEvent]
    answers: list[PresenceAnswer]
    asked: list[PresenceQuery]
    sent: list[OutputMessage]
    decided_at: int


class DepartedCaseState(Struct, frozen=True, array_like=True):
    """What a checkpoint keeps of a departed case."""

    case_id: str
    last_revisions: tuple[str, ...]
    decided_at: int


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(CaseState)
_departed_decoder: Final = msgspec.msgpack.Decoder(DepartedCaseState)


def pack_case(case: Case) -> bytes:
    """Return a case in msgpack."""
    sent = case.emitted
    state = CaseState(
        case_id=case.case_id,
        facts=list(case.facts.values()),
        answers=list(case.answers.values()),
        asked=list(case.queries.values()),
        sent=[*sent.decisions.values(), *sent.actions.values(), *sent.alerts.values()],
        decided_at=case.decided_at,
    )
    return _encoder.encode(state)


def unpack_case(packed: bytes) -> Case:
    """Return the case that was packed; raises `msgspec.DecodeError` for anything else."""
    state = _decoder.decode(packed)
    case = Case(state.case_id)
    case.facts = {event.identity: event for event in state.facts}
    case.answers = {answer.query.key: answer for answer in state.answers}
    case.queries = {query.key: query for query in state.asked}
    for message in state.sent:
        case.emitted.record(message)
    case.decided_at = state.decided_at
    return case


def pack_departed_case(case: Case) -> bytes:
    """Return what remains of a departed case, in msgpack."""
    return _encoder.encode(DepartedCaseState(case.case_id, case.last_revisions or (), case.decided_at))


def unpack_departed_case(packed: bytes) -> Case:
    """Return the departed case that was packed; raises `msgspec.DecodeError` for anything else."""
    remains = _departed_decoder.decode(packed)
    case = Case(remains.case_id)
    case.last_revisions, case.decided_at = remains.last_revisions, remains.decided_at
    return case
