"""What `sop tail` prints of a record: one line in words, or its envelope."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from agents.sops import catalogue
from schemas.codec.decoder import decode_record, read_attributes
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage, UsageError
from schemas.outputs import DecisionMessage
from schemas.suggestions import suggestion
from schemas.timestamps import format_instant
from schemas.topics import Topics
from streams.runtime.ports import Stored
from streams.terminal.message_text import fact_lines, message_lines
from streams.terminal.printable import printable, printable_json


def tailed_topics(names: tuple[str, ...], topics: Topics, prefix: str) -> tuple[str, ...]:
    """Return the topics that a user names, with or without the prefix; without names, the outputs.

    Raises `UsageError` for any other name than that of an input, an output, or `decisions.latest`.
    """
    readable = (*topics.inputs, *topics.outputs, topics.latest)
    known = {name.removeprefix(prefix): name for name in readable} | {name: name for name in readable}
    for name in names:
        if name not in known:
            offered = ", ".join(each.removeprefix(prefix) for each in readable)
            raise UsageError(f"{name}: no such topic{suggestion(name, known)}; the topics are {offered}")
    return tuple(dict.fromkeys(known[name] for name in names)) or topics.outputs


def subject(record: Stored) -> str | None:
    """Return the subject of the event or message in a record, None if it has none."""
    attributes = read_attributes(record.value, record.headers)
    return None if attributes is None else attributes.subject


def text_line(topic: str, record: Stored, topics: Topics, limits: Limits) -> str:
    """Return a record as one line of visible characters: event time, topic, subject, and what it says in words.

    A record that cannot be read is described by the reason and its offset.
    """
    try:
        time, text = _fact(record, limits) if topic in topics.inputs else _message(topic, record, topics)
    except InvalidMessage as error:
        time, text = "-", f"{error} (offset {record.offset})"
    return printable("  ".join((time, topic, subject(record) or "-", text)))


def json_line(record: Stored) -> str | None:
    """Return the envelope of a record as one line with the bytes that it has, unless they move a terminal's cursor.

    An event in binary content mode is put into an envelope. None if the record holds no JSON object.
    """
    value = record.value or b""
    if (attributes := _binary_attributes(record)) is not None:
        value = msgspec.json.encode({**attributes, "data": msgspec.Raw(value)} if value else attributes)
    try:
        _heading.decode(value)
        text = value.decode()
        return text if text.isprintable() else printable_json(msgspec.json.format(value, indent=-1))
    except (ValueError, RecursionError):
        return None


class _Heading(Struct):
    time: object = "-"


_heading: Final = msgspec.json.Decoder(_Heading)


def _fact(record: Stored, limits: Limits) -> tuple[str, str]:
    fact = decode_record(record.value, record.headers, limits, key=record.key, original_sizes=record.original_sizes)
    return format_instant(fact.time), "  ".join(fact_lines(fact))


def _message(topic: str, record: Stored, topics: Topics) -> tuple[str, str]:
    value = record.value or b""
    if topic == topics.dead_letters:
        letter = decode_dead_letter(value)
        text = f"refused {letter.topic}-{letter.partition}@{letter.offset}: {letter.reason}"
    else:
        message = catalogue.decode_message(value)
        text = message_lines(message)[0]
        if isinstance(message, DecisionMessage):
            reasons = f" ({', '.join(message.body.reasons)})" if message.body.reasons else ""
            text += f"{reasons} [{', '.join(message.body.clauses)}]"
    return str(_heading.decode(value).time), text


def _binary_attributes(record: Stored) -> dict[str, str] | None:
    """Return the attributes of an event in binary content mode, None of one that is not."""
    named = {name.lower(): (value or b"").decode(errors="replace") for name, value in record.headers}
    content_type = named.get("content-type", "application/json")
    if "ce_specversion" not in named or content_type.startswith("application/cloudevents"):
        return None
    attributes = {name.removeprefix("ce_"): value for name, value in named.items() if name.startswith("ce_")}
    return {**attributes, "datacontenttype": content_type}
