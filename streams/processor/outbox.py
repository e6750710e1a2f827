"""What a step has to say, as records for one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.codec.encoder import dead_letter_message, encode_message
from schemas.codec.limits import HEAD_BYTES
from schemas.events import AnyEvent
from schemas.outputs import AlertMessage, DecisionMessage, OutputMessage
from schemas.topics import Topics
from streams.processor.decoder import Origin, forward, is_report, partition_of
from streams.processor.internal_messages import AnswerMessage, QueryMessage, pack
from streams.processor.state_cache import CASE, PARTNER
from streams.runtime.ports import Outgoing


class Outbox:
    """Collects the records of one step.

    All that a task emits goes to its own number of the output partitions (which for a case's key is where any Kafka
    producer would put it), so that the next owner finds it there; only questions, answers and forwarded events go
    elsewhere.
    """

    def __init__(self, topics: Topics, partition: int, partitions: int, dead_letter_bytes_max: int) -> None:
        """Take the topic names, the task's partition number, how many there are, and how large a dead letter may be."""
        self._topics = topics
        self._partition = partition
        self._partitions = partitions
        self._letter_bytes_max = dead_letter_bytes_max
        self._records: list[Outgoing] = []

    def messages(self, name: str, messages: Iterable[OutputMessage]) -> None:
        """Add decisions, actions and alerts, which were concluded upon a name."""
        for message in messages:
            if isinstance(message, DecisionMessage):
                topic, key = self._topics.decision(message.body.kind), message.body.case_id
            elif isinstance(message, AlertMessage):
                topic, key = self._topics.alerts, message.alert_id
            else:
                topic, key = self._topics.actions, message.body.case_id
            self._records.append(Outgoing(topic, self._partition, key.encode(), encode_message(message), name))

    def presence_queries(self, moments: Iterable[PresenceQuery]) -> None:
        """Add questions to location agents."""
        for query in moments:
            self._send_on(self._topics.partners, query.partner_id, pack(QueryMessage(query)), CASE + query.case_id)

    def answers(self, answers: Iterable[PresenceAnswer]) -> None:
        """Add answers to case agents."""
        for answer in answers:
            about = PARTNER + answer.query.partner_id
            self._send_on(self._topics.cases, answer.query.case_id, pack(AnswerMessage(answer)), about)

    def forward(self, origin: Origin, event: AnyEvent) -> None:
        """Send an event on to its subject's partition."""
        topic = self._topics.partners if is_report(event) else self._topics.cases
        self._send_on(topic, event.subject, pack(forward(origin)), "")

    def dead_letter(self, origin: Origin, reason: str) -> None:
        """Add a record that cannot be accepted, with its bytes; of one too large for a letter with their beginnings."""
        if origin.original_sizes is not None:
            letter = self._letter(origin, reason, origin.original_sizes.value)
        else:
            letter = self._letter(origin, reason)
            if len(letter.value) + len(letter.key or b"") > self._letter_bytes_max:
                letter = self._letter(_cut(origin), reason, len(origin.value or b""))
        self._records.append(letter)

    def _letter(self, origin: Origin, reason: str, value_bytes: int | None = None) -> Outgoing:
        value = dead_letter_message(
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            reason=reason,
            value=origin.value,
            key=origin.key,
            time=origin.timestamp_us,
            headers=origin.headers,
            value_bytes=value_bytes,
        )
        return Outgoing(self._topics.dead_letters, self._partition, origin.key, value)

    def take(self) -> list[Outgoing]:
        """Return and forget what was collected."""
        records, self._records = self._records, []
        return records

    def _send_on(self, topic: str, key: str, value: bytes, about: str) -> None:
        self._records.append(Outgoing(topic, partition_of(key, self._partitions), key.encode(), value, about))


def _cut(origin: Origin) -> Origin:
    """Return the record without its headers, and of key and value the beginnings."""
    key, value = origin.key, origin.value
    return structs.replace(
        origin,
        key=None if key is None else key[:HEAD_BYTES],
        value=None if value is None else value[:HEAD_BYTES],
        headers=(),
    )
