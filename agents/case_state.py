"""A case as a checkpoint keeps it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from agents.case.case import Case
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.sops import catalogue
from agents.sops.keys import decision_key
from schemas.events import AnyEvent
from schemas.outputs import ActionMessage, AlertMessage, DecisionMessage, OutputMessage

M = TypeVar("M")


class CaseState(Struct, Generic[M], frozen=True, array_like=True):
    """A case in a checkpoint."""

    case_id: str
    facts: list[AnyEvent]
    answers: list[PresenceAnswer]
    queries: list[PresenceQuery]
    emitted: list[M]
    decided_at: int
    contributed: dict[str, bytes] = {}


class DepartedCaseState(Struct, frozen=True, array_like=True):
    """A departed case in a checkpoint."""

    case_id: str
    last_revisions: tuple[str, ...]
    decided_at: int


_encoder: Final = msgspec.msgpack.Encoder()


def _case_decoder() -> msgspec.msgpack.Decoder[CaseState[OutputMessage]]:
    """Return the decoder of cases; it knows the body of every kind of decision."""
    any_body = reduce(or_, catalogue.OUTPUTS.bodies.values())
    message = DecisionMessage[any_body] | ActionMessage | AlertMessage  # type: ignore[valid-type]
    return msgspec.msgpack.Decoder(CaseState[message])


_decoder: Final = _case_decoder()
_departed_decoder: Final = msgspec.msgpack.Decoder(DepartedCaseState)


def pack_case(case: Case) -> bytes:
    """Return a case as MessagePack."""
    emitted = case.emitted
    state = CaseState(
        case_id=case.case_id,
        facts=list(case.facts.values()),
        answers=list(case.answers.values()),
        queries=list(case.queries.values()),
        emitted=[*emitted.decisions.values(), *emitted.actions.values(), *emitted.alerts.values()],
        decided_at=case.decided_at,
        contributed=case.contributed,
    )
    return _encoder.encode(state)


def unpack_case(packed: bytes) -> Case:
    """Return the case that `pack_case` packed; raises `msgspec.DecodeError` for anything else."""
    state = _decoder.decode(packed)
    case = Case(state.case_id)
    case.facts = {event.identity: event for event in state.facts}
    case.answers = {answer.query.key: answer for answer in state.answers}
    case.queries = {query.key: query for query in state.queries}
    for message in state.emitted:
        case.emitted.record(message, decision_key)
    case.decided_at, case.contributed = state.decided_at, state.contributed
    return case


def pack_departed_case(case: Case) -> bytes:
    """Return a departed case as MessagePack."""
    return _encoder.encode(DepartedCaseState(case.case_id, case.last_revisions or (), case.decided_at))


def unpack_departed_case(packed: bytes) -> Case:
    """Return the case that `pack_departed_case` packed; raises `msgspec.DecodeError` for anything else."""
    state = _departed_decoder.decode(packed)
    case = Case(state.case_id)
    case.last_revisions, case.decided_at = state.last_revisions, state.decided_at
    return case
