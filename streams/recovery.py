"""Reads back what this partition number has emitted: the output topics are the truth of it (architecture, 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.encoding import decode_dead_letter, decode_message
from schemas.outputs import AlertMessage, OutputMessage
from schemas.topics import Topics
from streams.internal import unpack_positions
from streams.ports import TP, OutputLog
from streams.positions import from_inputs, raise_to


@dataclass(slots=True)
class Emitted:
    """What was emitted since a checkpoint."""

    messages: dict[str, list[OutputMessage]] = field(default_factory=dict)
    """Decisions, actions and alerts by case id, in the order of their revisions."""
    alert_ids: set[str] = field(default_factory=set)
    """Alerts about partners."""
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    """Where the records lay that went to the dead letters."""
    inputs: dict[str, int] = field(default_factory=dict)
    """The furthest input positions at which anything of it was decided."""
    outputs: dict[str, int] = field(default_factory=dict)
    """The offset after the last record read of each output partition."""


async def read_back(log: OutputLog, topics: Topics, partition: int, start: Mapping[str, int]) -> Emitted:
    """Return what was emitted from the given output offsets on (absent: from the beginning) to the end."""
    emitted = Emitted()
    for topic in topics.emitted:
        tp = TP(topic, partition)
        async for records in log.read(tp, start.get(tp.name, 0)):
            for record in records:
                if record.value is not None:
                    _take(emitted, _decoded(emitted, topics, topic, record.value))
                emitted.outputs[tp.name] = record.offset + 1
    return emitted


def _decoded(emitted: Emitted, topics: Topics, topic: str, value: bytes) -> OutputMessage | None:
    if topic == topics.progress:
        raise_to(emitted.inputs, unpack_positions(value))
        return None
    if topic == topics.dead_letters:
        letter = decode_dead_letter(value)
        emitted.refused.add((letter.topic, letter.partition, letter.offset))
        return None
    return decode_message(value)


def _take(emitted: Emitted, message: OutputMessage | None) -> None:
    if message is None:
        return
    if message.inputs:
        raise_to(emitted.inputs, from_inputs(message.inputs))
    if isinstance(message, AlertMessage):
        # An alert about a partner alone has no case; the location agent must know that it was said.
        if "case_id" not in message.body.labels:
            emitted.alert_ids.add(message.alert_id)
            return
        emitted.messages.setdefault(message.subject, []).append(message)
    else:
        emitted.messages.setdefault(message.body.case_id, []).append(message)
