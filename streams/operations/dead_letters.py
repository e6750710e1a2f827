"""Dead letters as an operator deals with them: why they were refused, and which can be given another chance."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.errors import InvalidMessage, UsageError
from schemas.outputs import DeadLetter
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.runtime.ports import TP

REDRIVES_HEADER: Final = "sop-redrives"
"""Header of a redriven record: how often it has been sent again."""

_COUNT: Final = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A dead letter and where it lies, `topic-partition@offset`."""

    place: str
    dead_letter: DeadLetter

    @property
    def origin(self) -> str:
        """Where the refused record lies, `topic-partition@offset`."""
        return f"{self.dead_letter.topic}-{self.dead_letter.partition}@{self.dead_letter.offset}"

    @property
    def cause(self) -> str:
        """The path that the reason begins with, such as `data.site.lat`."""
        return self.dead_letter.reason.partition(":")[0]

    @property
    def redrives(self) -> int:
        """How often the refused record had been sent again before."""
        told = [value for name, value in self.dead_letter.headers if name == REDRIVES_HEADER and value is not None]
        return int(told[-1]) if told and _COUNT.fullmatch(told[-1]) else 0

    @property
    def headers(self) -> Headers:
        """The headers that the record's producer gave it."""
        return [(name, value) for name, value in self.dead_letter.headers if name != REDRIVES_HEADER]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters: of a topic (without prefix), of a cause, of certain places; what is empty selects all."""

    topic: str = ""
    cause: str = ""
    origins: frozenset[str] = frozenset()

    @property
    def selects_all(self) -> bool:
        """Tell whether nothing is left out."""
        return not (self.topic or self.cause or self.origins)

    def takes(self, each: DeadLetterRecord, prefix: str) -> bool:
        """Tell whether a dead letter is meant."""
        return (
            (not self.topic or each.dead_letter.topic == prefix + self.topic)
            and (not self.cause or each.cause == self.cause)
            and (not self.origins or each.origin in self.origins)
        )


@dataclass(frozen=True, slots=True)
class Redrive:
    """What is to be sent again, and what is not, with the reason."""

    sent: list[DeadLetterRecord]
    kept: list[tuple[DeadLetterRecord, str]]


def redrive_of(dead_letters: Iterable[DeadLetterRecord], topics: Topics, redrives_max: int) -> Redrive:
    """Return which letters may be sent again, in the order of their records.

    A record that was refused again after a redrive has several letters: it is sent once, and no more often than
    `redrives_max` times in all. Only input topics are ever written to, whatever a letter says.
    """
    latest: dict[tuple[object, ...], DeadLetterRecord] = {}
    redrive = Redrive([], [])
    for each in dead_letters:
        dead_letter = each.dead_letter
        if dead_letter.topic not in topics.inputs:
            redrive.kept.append((each, f"{dead_letter.topic} is not an input topic"))
            continue
        if dead_letter.is_cut:
            redrive.kept.append((each, "the dead letter has only the beginning of it"))
            continue
        record = (dead_letter.topic, dead_letter.key, dead_letter.value, tuple(each.headers))
        if record not in latest or each.redrives > latest[record].redrives:
            latest[record] = each
    for each in sorted(
        latest.values(), key=lambda each: (each.dead_letter.topic, each.dead_letter.partition, each.dead_letter.offset)
    ):
        if each.redrives >= redrives_max:
            redrive.kept.append((each, f"was sent again {each.redrives} times already"))
        else:
            redrive.sent.append(each)
    return redrive


def _by_record(each: DeadLetterRecord) -> tuple[str, int, int]:
    return (each.dead_letter.topic, each.dead_letter.partition, each.dead_letter.offset)


async def read_dead_letters(
    connection: KafkaConnection, topics: Topics, foreign: list[str]
) -> AsyncIterator[DeadLetterRecord]:
    """Yield all dead letters, by partition and offset; raises `UsageError` where they cannot be read.

    The places of records that are no dead letters are added to `foreign`: somebody else wrote them there.
    """
    name = topics.dead_letters
    counts = await partition_counts(connection, [name])
    if name not in counts:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {name}")
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
