"""Reads and selects dead letters, and sends refused records to the topics and partitions they came from again.

The event in a redriven record has the identity it always had, so it is decided at most once: if it was accepted in the
meantime, the redriven record is a duplicate.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.case.case import NO_LONGER_KEPT
from schemas.codec.decoder import read_attributes
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.errors import InvalidMessage, Unavailable
from schemas.outputs import DeadLetter
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.record_batches import record_batch
from streams.kafka.topics import partition_counts
from streams.runtime.ports import TP

REDRIVES_HEADER: Final = "sop-redrives"
"""Header of a redriven record: how often it was sent again."""

_NO_ARCHIVE: Final = "only an archive brings it back (sop dead-letters redrive --archive)"
_COUNT: Final = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A dead letter, and its own place in Kafka as `topic-partition@offset`."""

    place: str
    dead_letter: DeadLetter

    @property
    def origin(self) -> str:
        """The place of the refused record, `topic-partition@offset`."""
        return f"{self.dead_letter.topic}-{self.dead_letter.partition}@{self.dead_letter.offset}"

    @property
    def redrives(self) -> int:
        """How often the refused record had been sent again before."""
        counts = [value for name, value in self.dead_letter.headers if name == REDRIVES_HEADER and value is not None]
        return int(counts[-1]) if counts and _COUNT.fullmatch(counts[-1]) else 0

    @property
    def departed_case(self) -> str | None:
        """The case that the refused record is about, if it was refused because that had departed."""
        letter = self.dead_letter
        if letter.reason != NO_LONGER_KEPT or letter.is_truncated:
            return None
        attributes = read_attributes(letter.value, letter.headers)
        return None if attributes is None else attributes.subject.strip()

    @property
    def headers(self) -> Headers:
        """The headers that the record's producer wrote."""
        return [(name, value) for name, value in self.dead_letter.headers if name != REDRIVES_HEADER]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Selects dead letters by topic (without prefix), by cause, and by origin; an empty criterion selects all."""

    topic: str = ""
    cause: str = ""
    origins: frozenset[str] = frozenset()

    @property
    def selects_all(self) -> bool:
        """Whether there is no criterion."""
        return not (self.topic or self.cause or self.origins)

    def includes(self, each: DeadLetterRecord, prefix: str) -> bool:
        """Return whether a dead letter is selected."""
        return (
            (not self.topic or each.dead_letter.topic == prefix + self.topic)
            and (not self.cause or each.dead_letter.cause == self.cause)
            and (not self.origins or each.origin in self.origins)
        )


async def read_dead_letters(
    connection: KafkaConnection, topics: Topics, foreign: list[str]
) -> AsyncIterator[DeadLetterRecord]:
    """Yield all dead letters, by partition and offset.

    Adds the places of records that are no dead letters, which something else wrote there, to `foreign`. Raises
    `UsageError` if the topic cannot be read.
    """
    name = topics.dead_letters
    counts = await partition_counts(connection, [name])
    log = KafkaLog(connection)
    for number in range(counts[name]):
        tp = TP(name, number)
        async for records in log.read(tp, 0):
            for record in records:
                place = f"{tp.name}@{record.offset}"
                try:
                    yield DeadLetterRecord(place, decode_dead_letter(record.value or b""))
                except InvalidMessage:
                    foreign.append(place)


def departed_cases(dead_letters: Iterable[DeadLetterRecord]) -> list[str]:
    """Return the cases of which facts were refused because they had departed, sorted."""
    return sorted({case_id for each in dead_letters if (case_id := each.departed_case) is not None})


@dataclass(frozen=True, slots=True)
class Redrive:
    """Which dead letters to send again, and which to keep, with the reason."""

    sent: list[DeadLetterRecord]
    kept: list[tuple[DeadLetterRecord, str]]


def plan_redrive(
    dead_letters: Iterable[DeadLetterRecord],
    topics: Topics,
    redrives_max: int,
    not_reopened: Mapping[str, str] | None = None,
) -> Redrive:
    """Return which records may be sent again, in the order of their offsets.

    A record that was refused again after a redrive has several dead letters. It is sent once, and at most
    `redrives_max` times in total. Only input topics are written to, whatever a dead letter says.

    Facts for departed cases are kept, unless these are reopened before: `not_reopened` then says why some are not, by
    case id.
    """
    latest: dict[tuple[object, ...], DeadLetterRecord] = {}
    redrive = Redrive([], [])
    for each in dead_letters:
        letter = each.dead_letter
        if letter.topic not in topics.inputs:
            redrive.kept.append((each, f"{letter.topic} is not an input topic"))
            continue
        if letter.is_truncated:
            redrive.kept.append((each, "the dead letter has only the beginning of the record"))
            continue
        if (case_id := each.departed_case) is not None:
            why = _NO_ARCHIVE if not_reopened is None else not_reopened.get(case_id)
            if why is not None:
                redrive.kept.append((each, f"case {case_id} has left the state, and {why}"))
                continue
        record = (letter.topic, letter.key, letter.value, tuple(each.headers))
        if record not in latest or each.redrives > latest[record].redrives:
            latest[record] = each
    for each in sorted(latest.values(), key=_offset):
        if each.redrives >= redrives_max:
            redrive.kept.append((each, f"already sent again {each.redrives} times"))
        else:
            redrive.sent.append(each)
    return redrive


def _offset(each: DeadLetterRecord) -> tuple[str, int, int]:
    return (each.dead_letter.topic, each.dead_letter.partition, each.dead_letter.offset)


async def send_again(
    connection: KafkaConnection, dead_letters: Sequence[DeadLetterRecord]
) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
    """Send the refused records one by one; yield each with its new place, once Kafka has it.

    Raises `Unavailable` if the broker refuses one; those yielded before are sent.
    """
    producer = AIOKafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        max_request_size=connection.message_bytes_max,
    )
    try:
        await producer.start()
        for each in dead_letters:
            letter = each.dead_letter
            headers = [*each.headers, (REDRIVES_HEADER, b"%d" % (each.redrives + 1))]
            record = record_batch(letter.key, letter.value, headers)
            written = await (await producer.send_batch(record, letter.topic, partition=letter.partition))
            yield each, f"{TP(written.topic, written.partition).name}@{written.offset}"
    except KafkaError as error:
        raise Unavailable(f"Kafka at {connection.brokers} does not accept records: {error}") from error
    finally:
        await producer.stop()
