"""What travels on the internal topics: questions, answers, events sent on to their own partition.

Msgpack, not part of the contract; a version that changes it drains the internal topics first.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.errors import Fatal, InvalidMessage


class QueryMessage(Struct, frozen=True, array_like=True, tag="question"):
    """From the case agent to the location agent of the partner."""

    query: PresenceQuery


class AnswerMessage(Struct, frozen=True, array_like=True, tag="answer"):
    """From the location agent to the case agent of the case."""

    answer: PresenceAnswer


class Forwarded(Struct, frozen=True, array_like=True, tag="forwarded"):
    """An event found on another partition than its subject's, with where it came from, byte for byte.

    Producers that place keys in their own way are met so; identity makes a repeated forward harmless. `headers` and
    `header_names` are as in a dead letter.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    header_names: tuple[bytes, ...] = ()


InternalMessage = QueryMessage | AnswerMessage | Forwarded

_decoder: msgspec.msgpack.Decoder[InternalMessage] = msgspec.msgpack.Decoder(InternalMessage)


def pack(message: InternalMessage) -> bytes:
    """Return a message as it travels."""
    return msgspec.msgpack.encode(message)


def unpack(value: bytes) -> InternalMessage:
    """Return the message.

    Raises `InvalidMessage` for what somebody else wrote, and `Fatal` for a message of a version that has others: what
    it says would be lost.
    """
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        if _is_tagged(value):
            raise Fatal(f"an internal message of another version, which has to read it itself ({error})") from None
        raise InvalidMessage(f"value: not an internal message ({error})") from None


def _is_tagged(value: bytes) -> bool:
    """Tell whether a value has the form of all messages: an array that begins with a name."""
    try:
        content = msgspec.msgpack.decode(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, list) and bool(content) and isinstance(content[0], str)
