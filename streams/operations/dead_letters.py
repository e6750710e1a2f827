"""Reads and selects dead letters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.errors import InvalidMessage
from schemas.outputs import DeadLetter
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.runtime.ports import TP

REDRIVES_HEADER: Final = "sop-redrives"
"""Header of a redriven record: how often it was sent again."""

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
    def cause(self) -> str:
        """The path at the beginning of the reason, such as `data.site.lat`."""
        return self.dead_letter.reason.partition(":")[0]

    @property
    def redrives(self) -> int:
        """How often the refused record had been sent again before."""
        counts = [value for name, value in self.dead_letter.headers if name == REDRIVES_HEADER and value is not None]
        return int(counts[-1]) if counts and _COUNT.fullmatch(counts[-1]) else 0

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
            and (not self.cause or each.cause == self.cause)
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
