"""Turns consumed records into what the agents take: events, questions, answers; the rest is refused with a reason."""

from __future__ import annotations

from aiokafka.partitioner import murmur2
from msgspec import Struct

from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.codec.decoder import decode_record
from schemas.codec.headers import Headers, portable, restored
from schemas.codec.limits import Limits
from schemas.codec.record_sizes import Sizes
from schemas.errors import Fatal, InvalidMessage
from schemas.events import AnyEvent, LocationReported
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.processor.internal_messages import AnswerMessage, Forwarded, QueryMessage, unpack
from streams.runtime.ports import TP, Incoming


class Origin(Struct, frozen=True, gc=False):
    """Where a record was first consumed, with its bytes as they were."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    original_sizes: Sizes | None = None

    @property
    def timestamp_us(self) -> int | None:
        """The record's timestamp in microseconds; None where there is none, or none that is a date."""
        return self.timestamp * 1000 if 0 <= self.timestamp <= LATEST_US // 1000 else None

    @property
    def place(self) -> tuple[str, int, int]:
        """What identifies the record for ever: (topic, partition, offset)."""
        return (self.topic, self.partition, self.offset)

    @property
    def name(self) -> str:
        """How a message to a person names the place."""
        return f"{self.topic}-{self.partition}@{self.offset}"


class DecodedRecord(Struct, frozen=True, gc=False):
    """One consumed record, read: its input partition, and what it holds or why it is refused."""

    tp: TP
    record: Incoming
    content: AnyEvent | PresenceQuery | PresenceAnswer | InvalidMessage
    forwarded_from: Origin | None = None
    """Where it was first consumed, if that was elsewhere."""

    @property
    def origin(self) -> Origin:
        """Where it was first consumed; few records are ever asked."""
        return self.forwarded_from or origin(self.tp, self.record)


class RecordDecoder:
    """Reads records of the input topics and of the internal ones."""

    def __init__(self, topics: Topics, limits: Limits) -> None:
        """Take the topic names and the limits on inbound events."""
        self._topics = topics
        self._limits = limits

    def read(self, tp: TP, record: Incoming, now: int) -> DecodedRecord:
        """Read one record, as of now (microseconds).

        An event sent on was accepted by the clock of who sent it; another one, which may be behind, has no say.
        Raises `Fatal` for an internal message of another version.
        """
        if tp.topic not in self._topics.internal:
            return DecodedRecord(tp, record, self._event(record, now))
        try:
            message = unpack(record.value or b"")
        except InvalidMessage as refused:
            return DecodedRecord(tp, record, _refusal(refused))
        except Fatal as error:
            raise Fatal(f"{tp.name}@{record.offset}: {error}") from None
        if isinstance(message, QueryMessage):
            return DecodedRecord(tp, record, message.query)
        if isinstance(message, AnswerMessage):
            return DecodedRecord(tp, record, message.answer)
        first = Origin(
            message.topic,
            message.partition,
            message.offset,
            message.timestamp,
            message.key,
            message.value,
            restored(message.headers, message.header_names),
        )
        return DecodedRecord(tp, record, self._event(first, None), first)

    def _event(self, record: Incoming, now: int | None) -> AnyEvent | InvalidMessage:
        try:
            return decode_record(
                record.value, record.headers, self._limits, now, key=record.key, original_sizes=record.original_sizes
            )
        except InvalidMessage as refused:
            return _refusal(refused)


def _refusal(refused: InvalidMessage) -> InvalidMessage:
    """Return a refusal like the one that was raised, which must not be kept.

    By its traceback it holds the frames, and so the batch that it would be part of, in a cycle that nobody collects.
    """
    return InvalidMessage(refused.reason)


def origin(tp: TP, record: Incoming) -> Origin:
    """Return where a record lies, with its bytes."""
    return Origin(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        record.headers,
        record.original_sizes,
    )


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key as Apache Kafka's own producers choose it (murmur2)."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def is_report(event: AnyEvent) -> bool:
    """Tell whether an event is for the location agent."""
    return type(event.data) is LocationReported


def forward(origin: Origin) -> Forwarded:
    """Return the message that carries a record on to its subject's partition."""
    headers, header_names = portable(origin.headers)
    return Forwarded(
        origin.topic,
        origin.partition,
        origin.offset,
        origin.timestamp,
        origin.key,
        origin.value,
        headers,
        header_names,
    )
