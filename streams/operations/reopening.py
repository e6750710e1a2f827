"""Reopens departed cases from an archive, so that late facts can still be decided (surfaces.md, "Retention")."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from msgspec import structs

from agents.case.case import Case
from agents.presence.queries import PresenceAnswer
from agents.sops import catalogue
from agents.sops.keys import decision_key
from schemas.codec.encoder import decode_dead_letter
from schemas.errors import InvalidMessage, UsageError
from schemas.events import CaseErased, Event
from schemas.outputs import AlertMessage, DecisionMessage, OutputMessage
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.single_record import send_record
from streams.processor.decoder import RecordDecoder, RecordId
from streams.processor.internal_messages import pack, reopened
from streams.processor.subject import CASE, alert_subject
from streams.runtime.ports import TP, Incoming, Place
from streams.runtime.progress import latest_progress

READ_WITHIN_S: Final = 120.0
"""How long workers have to read what reopens a case: a few checkpoints, or a worker's start."""
LOOK_EVERY_S: Final = 0.5


def former_case(case_id: str, records: Sequence[tuple[TP, Incoming]], topics: Topics, decoder: RecordDecoder) -> Case:
    """Return a case as it was when it departed, from the inputs, messages to cases and outputs about it.

    The records of a partition come in the order of their offsets. What the case asked or told others is not part of it:
    it does so again. Raises `UsageError` if it was erased, or if there is no fact about it.
    """
    case = Case(case_id)
    for message in _emitted(records, topics):
        if _case_of(message) == case_id:
            case.emitted.record(message, decision_key)
            if isinstance(message, DecisionMessage):
                case.decided_at = max(case.decided_at, message.asof or 0)
    for content in _applied(records, topics, decoder):
        if isinstance(content, PresenceAnswer):
            case.apply_answer(content)
        elif isinstance(content, Event) and content.subject == case_id:
            if type(content.data) is CaseErased:
                raise UsageError("it was erased")
            case.facts.setdefault(content.identity, content)
    if not case.facts:
        raise UsageError("there is no fact about it")
    # The topics may have had other partitions then; any answer made in time from now on counts instead.
    case.answers = {key: structs.replace(each, made_at={}) for key, each in case.answers.items()}
    return case


def _emitted(records: Iterable[tuple[TP, Incoming]], topics: Topics) -> Iterator[OutputMessage]:
    for tp, record in records:
        if tp.topic in topics.outputs and tp.topic != topics.dead_letters:
            with suppress(InvalidMessage):  # of another producer
                yield catalogue.decode_message(record.value or b"")


def _case_of(message: OutputMessage) -> str | None:
    """Return the case whose owner emitted a message, None if it was that of a partner or watch."""
    if not isinstance(message, AlertMessage):
        return message.body.case_id
    subject = alert_subject(message)
    return subject.id if subject.kind == CASE else None


def _applied(records: Sequence[tuple[TP, Incoming]], topics: Topics, decoder: RecordDecoder) -> Iterator[object]:
    """Yield what the inputs and messages to cases contain, except for what was refused."""
    refused: set[RecordId] = set()
    for tp, record in records:
        if tp.topic == topics.dead_letters:
            with suppress(InvalidMessage):  # of another producer
                letter = decode_dead_letter(record.value or b"")
                refused.add((letter.topic, letter.partition, letter.offset))
    for tp, record in records:
        if tp.topic not in topics.outputs:
            decoded = decoder.decode(tp, record, None)
            if decoded.origin.record_id not in refused:
                yield decoded.content


async def reopen(connection: KafkaConnection, topics: Topics, case: Case, now: int) -> Place:
    """Give workers a case as it was when it departed; return where Kafka has its record.

    `now` is in microseconds. Raises `Unavailable` if Kafka does not take the record.
    """
    value = pack(reopened(case))
    key, timestamp = case.case_id.encode(), now // 1000
    return await send_record(connection, topics.cases, value, key=key, headers=(), timestamp_ms=timestamp)


async def unread(connection: KafkaConnection, topics: Topics, places: Mapping[str, Place]) -> set[str]:
    """Wait until workers have read the records that reopen cases; return the cases left after `READ_WITHIN_S`.

    `places` has the records by case id.
    """
    log, left = KafkaLog(connection), dict(places)
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_WITHIN_S):
            while left:
                positions: dict[str, int] = {}
                for partition in {each.partition for each in left.values()}:
                    if (latest := await latest_progress(log, TP(topics.progress, partition))) is not None:
                        positions |= latest.progress.positions
                left = {id_: each for id_, each in left.items() if positions.get(each.tp.name, 0) <= each.offset}
                if left:
                    await asyncio.sleep(LOOK_EVERY_S)
    return set(left)
