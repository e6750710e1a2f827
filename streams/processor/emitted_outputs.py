"""What this partition number has emitted since a checkpoint: the output topics are the truth of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from schemas.codec.encoder import decode_dead_letter, decode_message
from schemas.errors import InvalidMessage
from schemas.outputs import AlertMessage, OutputMessage
from schemas.topics import Topics
from streams.processor.dead_letter_index import DeadLetterIndex
from streams.runtime.positions import parse_inputs


class EmittedOutputs:
    """Messages, alerts about partners and dead letters found in the output topics (architecture, 3.3)."""

    def __init__(self, topics: Topics) -> None:
        """Begin with nothing emitted."""
        self.messages: dict[str, list[OutputMessage]] = {}
        """Decisions, actions and alerts by case id, each topic's in their order."""
        self.alert_ids: set[str] = set()
        """Alerts about partners."""
        self.dead_letters = DeadLetterIndex()
        self._dead_letters = topics.dead_letters

    def take(self, topic: str, value: bytes, former: Collection[str] = ()) -> Mapping[str, int]:
        """Take a record's value; return the input positions at which it was decided, empty if it does not say.

        A dead letter from one of `former` topics is about no record that is there now.
        Raises `InvalidMessage` for a record that none of ours wrote.
        """
        if topic == self._dead_letters:
            letter = decode_dead_letter(value)
            if letter.topic not in former:
                self.dead_letters.found((letter.topic, letter.partition, letter.offset), letter.reason)
            return {}
        message = decode_message(value)
        try:
            positions = parse_inputs(message.inputs or "")
        except ValueError:
            raise InvalidMessage("inputs: no positions") from None
        if not isinstance(message, AlertMessage):
            self.messages.setdefault(message.body.case_id, []).append(message)
        elif "case_id" in message.body.labels:
            self.messages.setdefault(message.subject, []).append(message)
        else:
            self.alert_ids.add(message.alert_id)
        return positions
