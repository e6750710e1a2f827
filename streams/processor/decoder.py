"""Decodes consumed records: events, presence queries and answers, messages to watches, former states of cases."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka.partitioner import murmur2
from msgspec import Struct, structs

from agents.anomalies.messages import WatchMessage
from agents.case.case import Case
from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.codec.decoder import decode_record
from schemas.codec.headers import Headers, decode_headers, encode_headers
from schemas.codec.limits import Limits, RecordSizes
from schemas.errors import Fatal, InvalidMessage
from schemas.events import AnyEvent, Event, LocationReported, PartnerErased
from schemas.timestamps import LATEST_US
from schemas.topics import Topics
from streams.processor.internal_messages import (
    AnswerMessage,
    Forwarded,
    QueryMessage,
    Reopened,
    ToWatch,
    case_in,
    unpack,
)
from streams.processor.subject import Subjects
from streams.runtime.ports import TP, Incoming

RecordId = tuple[str, int, int]
"""Topic, partition and offset at which a record was first consumed."""


class Origin(Struct, frozen=True, gc=False):
    """Where a record was first consumed, and its bytes."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    original_sizes: RecordSizes | None = None

    @property
    def timestamp_us(self) -> int | None:
        """The record's timestamp in microseconds; None if it has none, or none that is a date."""
        return self.timestamp * 1000 if 0 <= self.timestamp <= LATEST_US // 1000 else None

    @property
    def record_id(self) -> RecordId:
        """What identifies the record."""
        return (self.topic, self.partition, self.offset)

    @property
    def name(self) -> str:
        """The record's name in messages: `topic-partition@offset`."""
        return f"{self.topic}-{self.partition}@{self.offset}"


class DecodedRecord(Struct, frozen=True, gc=False):
    """A consumed record with its input partition, and what it contains or why it is refused."""

    tp: TP
    record: Incoming
    content: AnyEvent | PresenceQuery | PresenceAnswer | WatchMessage | Case | InvalidMessage
    forwarded_from: Origin | None = None
    """Where it was first consumed, if another task forwarded it."""

    @property
    def origin(self) -> Origin:
        """Where it was first consumed. Made on demand, since few records need it."""
        return self.forwarded_from or origin_of(self.tp, self.record)

    @property
    def subject(self) -> str:
        """The subject of the event in it, empty if it has none."""
        return self.content.subject if isinstance(self.content, Event) else ""

    @property
    def timestamp_us(self) -> int | None:
        """The timestamp of the record that was first consumed, in microseconds; None if it has none."""
        timestamp = (self.forwarded_from or self.record).timestamp
        return timestamp * 1000 if timestamp >= 0 else None


class RecordDecoder:
    """Decodes the records of the input topics and of the internal ones."""

    def __init__(self, topics: Topics, limits: Limits) -> None:
        self._topics = topics
        self._limits = limits

    def decode(self, tp: TP, record: Incoming, now: int | None) -> DecodedRecord:
        """Decode one record as of now (microseconds; None: no event is too late).

        A forwarded event has no limit on its time: the task that forwarded it accepted it, and this clock may be
        behind that one. Raises `Fatal` for an internal message of another version.
        """
        if tp.topic not in self._topics.internal:
            return DecodedRecord(tp, record, self._event(record, now))
        try:
            message = unpack(record.value or b"")
            if isinstance(message, Reopened):
                return DecodedRecord(tp, record, case_in(message))
        except InvalidMessage as error:
            return DecodedRecord(tp, record, _without_traceback(error))
        except Fatal as error:
            raise Fatal(f"{tp.name}@{record.offset}: {error}") from None
        if isinstance(message, QueryMessage):
            return DecodedRecord(tp, record, message.query)
        if isinstance(message, AnswerMessage):
            return DecodedRecord(tp, record, message.answer)
        if isinstance(message, ToWatch):
            return DecodedRecord(tp, record, message.content)
        fields = structs.asdict(message)
        headers = decode_headers(fields.pop("headers"), fields.pop("header_names"))
        first = Origin(**fields, headers=headers)
        return DecodedRecord(tp, record, self._event(first, None), first)

    def _event(self, record: Incoming, now: int | None) -> AnyEvent | InvalidMessage:
        try:
            return decode_record(
                record.value, record.headers, self._limits, now, key=record.key, original_sizes=record.original_sizes
            )
        except InvalidMessage as error:
            return _without_traceback(error)


def _without_traceback(error: InvalidMessage) -> InvalidMessage:
    """Return an equal error without a traceback.

    The traceback refers to its frames, and so to the batch that would contain the error: a cycle that nobody collects.
    """
    return InvalidMessage(error.reason)


def origin_of(tp: TP, record: Incoming) -> Origin:
    """Return the origin of a record that was consumed from a partition."""
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
    """Return the partition that Apache Kafka's default partitioner (murmur2) chooses for a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def is_for_partner(event: AnyEvent) -> bool:
    """Return whether an event is one for the location agent: a location report, or the erasure of a partner."""
    return type(event.data) is LocationReported or type(event.data) is PartnerErased


def forwarded(origin: Origin) -> Forwarded:
    """Return the message that carries a record to its subject's partition."""
    fields = structs.asdict(origin)
    del fields["original_sizes"]
    headers, header_names = encode_headers(fields.pop("headers"))
    return Forwarded(**fields, headers=headers, header_names=header_names)


def subjects_of(decoded: Sequence[DecodedRecord]) -> Subjects:
    """Return the cases, partners and watches that records are about."""
    subjects = Subjects()
    for each in decoded:
        content = each.content
        if isinstance(content, Event):
            (subjects.partners if is_for_partner(content) else subjects.cases).add(content.subject)
        elif isinstance(content, PresenceQuery):
            subjects.partners.add(content.partner_id)
        elif isinstance(content, PresenceAnswer):
            subjects.cases.add(content.query.case_id)
        elif isinstance(content, Case):
            subjects.cases.add(content.case_id)
        elif not isinstance(content, InvalidMessage):
            subjects.watches.add(content.watch)
    return subjects
