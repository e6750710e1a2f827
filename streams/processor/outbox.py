"""Collects the records that a step emits, for one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET, structs

from agents.anomalies.messages import WatchMessage
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.sops import catalogue
from agents.sops.keys import published_key
from schemas.codec.encoder import OUTPUT_HEADERS, encode_dead_letter, encode_message
from schemas.codec.limits import TRUNCATED_BYTES
from schemas.codec.schema_ids import URN_IDS, SchemaIds
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent
from schemas.outputs import AlertMessage, AnyDecision, DeadLetter, DecisionMessage, OutputMessage
from schemas.topics import Topics
from streams.processor.decoder import Origin, forwarded, is_for_partner, partition_of
from streams.processor.internal_messages import AnswerMessage, QueryMessage, ToWatch, pack
from streams.processor.subject import case_name, partner_name
from streams.runtime.ports import Outgoing


class Outbox:
    """The records that one step emits.

    Outputs go to the task's own partition number, where the next owner reads them back; for the key of a case that is
    also where any Kafka producer would put them. Only internal messages go to other partitions.
    """

    def __init__(
        self,
        topics: Topics,
        partition: int,
        partitions: int,
        dead_letter_bytes_max: int,
        schema_ids: SchemaIds = URN_IDS,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._partitions = partitions
        self._dead_letter_bytes_max = dead_letter_bytes_max
        self._schema_ids = schema_ids
        self._records: list[Outgoing] = []

    def add_outputs(self, subject: str, messages: Iterable[OutputMessage]) -> None:
        """Add decisions, actions and alerts of a case, partner or watch, given by name; decisions as the latest too."""
        for message in messages:
            value = encode_message(message, self._schema_ids)
            if isinstance(message, DecisionMessage):
                topic, key = self._topics.decision(message.body.kind), message.body.case_id
                self._records.append(self._output(self._topics.latest, message.decision_key, value, subject))
            elif isinstance(message, AlertMessage):
                topic, key = self._topics.alerts, message.alert_id
            else:
                topic, key = self._topics.actions, message.body.case_id
            self._records.append(self._output(topic, key, value, subject))

    def latest_decision(self, value: bytes) -> Outgoing:
        """Return the record of the topic of latest decisions for a decision that was published before.

        Raises `InvalidMessage` for any other value.
        """
        body = _decision(value).body
        return self._output(self._topics.latest, published_key(body), value, case_name(body.case_id))

    def first_decision_key(self, value: bytes) -> bytes | None:
        """Return the key there of a first revision, None for a later one; raises as `latest_decision` does."""
        message = _decision(value)
        return published_key(message.body).encode() if message.supersedes is None else None

    def add_queries(self, queries: Iterable[PresenceQuery]) -> None:
        """Add presence queries, for location agents."""
        for query in queries:
            self._add_routed(
                self._topics.partners, query.partner_id, pack(QueryMessage(query)), case_name(query.case_id)
            )

    def add_answers(self, answers: Iterable[PresenceAnswer]) -> None:
        """Add presence answers, for case agents."""
        for answer in answers:
            subject = partner_name(answer.query.partner_id)
            self._add_routed(self._topics.cases, answer.query.case_id, pack(AnswerMessage(answer)), subject)

    def add_to_watches(self, messages: Iterable[WatchMessage], subject: str) -> None:
        """Add what a case or a partner's watch, given by name, tells watches."""
        for each in messages:
            self._add_routed(self._topics.watches, each.watch, pack(ToWatch(each)), subject)

    def add_forwarded(self, origin: Origin, event: AnyEvent) -> None:
        """Add an event, for its subject's partition."""
        topic = self._topics.partners if is_for_partner(event) else self._topics.cases
        self._add_routed(topic, event.subject, pack(forwarded(origin)), "")

    def add_dead_letter(self, origin: Origin, reason: str) -> None:
        """Add a refused record with its bytes, or, if it is too large, with the beginnings of its key and value."""
        if origin.original_sizes is not None:
            record = self._dead_letter(origin, reason, origin.original_sizes.value)
        else:
            record = self._dead_letter(origin, reason)
            if len(record.value) + len(record.key or b"") > self._dead_letter_bytes_max:
                record = self._dead_letter(_truncated(origin), reason, len(origin.value or b""))
        self._records.append(record)

    def drain(self) -> list[Outgoing]:
        """Return the records collected so far and clear the outbox."""
        records, self._records = self._records, []
        return records

    def _dead_letter(self, origin: Origin, reason: str, value_bytes: int | None = None) -> Outgoing:
        dead_letter = DeadLetter(
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            reason=reason,
            value=origin.value,
            key=origin.key,
            headers=tuple(origin.headers),
            value_bytes=UNSET if value_bytes is None else value_bytes,
        )
        value = encode_dead_letter(dead_letter, self._schema_ids, time=origin.timestamp_us)
        return Outgoing(self._topics.dead_letters, self._partition, origin.key, value, headers=OUTPUT_HEADERS)

    def _output(self, topic: str, key: str, value: bytes, subject: str) -> Outgoing:
        return Outgoing(topic, self._partition, key.encode(), value, subject, OUTPUT_HEADERS)

    def _add_routed(self, topic: str, key: str, value: bytes, subject: str) -> None:
        self._records.append(Outgoing(topic, partition_of(key, self._partitions), key.encode(), value, subject))


def _decision(value: bytes) -> AnyDecision:
    message = catalogue.decode_message(value)
    if not isinstance(message, DecisionMessage):
        raise InvalidMessage("type: not a decision")
    return message


def _truncated(origin: Origin) -> Origin:
    """Return a record without its headers, and with only the beginnings of its key and value."""
    key, value = origin.key, origin.value
    return structs.replace(
        origin,
        key=None if key is None else key[:TRUNCATED_BYTES],
        value=None if value is None else value[:TRUNCATED_BYTES],
        headers=(),
    )
