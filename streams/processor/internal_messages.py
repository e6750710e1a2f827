"""The messages on internal topics: presence queries and answers, messages to watches, forwarded events, reopened cases.

They are msgpack and not part of the contract. Drain the internal topics before an upgrade that changes them.
"""

from __future__ import annotations

import msgspec
import zstandard
from msgspec import Struct

from agents.anomalies.messages import WatchMessage
from agents.case.case import Case
from agents.case_state import pack_case, unpack_case
from agents.presence.queries import PresenceAnswer, PresenceQuery
from schemas.errors import Fatal, InvalidMessage


class QueryMessage(Struct, frozen=True, array_like=True, tag="question"):
    """From the case agent to the location agent of the partner."""

    query: PresenceQuery


class AnswerMessage(Struct, frozen=True, array_like=True, tag="answer"):
    """From the location agent to the case agent of the case."""

    answer: PresenceAnswer


class ToWatch(Struct, frozen=True, array_like=True, tag="watch"):
    """From a case or from a partner's watch to a watch of the anomaly agent."""

    content: WatchMessage


class Forwarded(Struct, frozen=True, array_like=True, tag="forwarded"):
    """An event consumed from a partition that is not its subject's: where it came from, and its bytes.

    Producers with another partitioner make this necessary. Forwarding twice is harmless, since events have an identity.
    `headers` and `header_names` are as in a dead letter.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    header_names: tuple[bytes, ...] = ()


class Reopened(Struct, frozen=True, array_like=True, tag="reopened"):
    """A departed case as it was, which `sop dead-letters redrive --archive` has found in an archive."""

    case: bytes
    """What `agents.case_state.pack_case` returns, compressed with zstd."""


InternalMessage = QueryMessage | AnswerMessage | ToWatch | Forwarded | Reopened

_decoder: msgspec.msgpack.Decoder[InternalMessage] = msgspec.msgpack.Decoder(InternalMessage)


def pack(message: InternalMessage) -> bytes:
    """Return a message as the value of a record."""
    return msgspec.msgpack.encode(message)


def unpack(value: bytes) -> InternalMessage:
    """Return the message in a record's value.

    Raises `InvalidMessage` for a value that no worker wrote, and `Fatal` for a message of another version, which would
    be lost if it were skipped.
    """
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        if _is_tagged(value):
            raise Fatal(f"an internal message of another version, which has to read it first ({error})") from None
        raise InvalidMessage(f"value: not an internal message ({error})") from None


def reopened(case: Case) -> Reopened:
    """Return the message that reopens a case as it was."""
    return Reopened(zstandard.compress(pack_case(case)))


def case_in(message: Reopened) -> Case:
    """Return the case as it was; raises `InvalidMessage` if another version has written it.

    It is refused like an event, since it can be made again from the archive.
    """
    try:
        return unpack_case(zstandard.decompress(message.case))
    except (zstandard.ZstdError, ValueError) as error:
        raise InvalidMessage(f"value: not a case as this version keeps it ({error})") from None


def _is_tagged(value: bytes) -> bool:
    """Return whether a value has the form of all messages: an array that begins with a name."""
    try:
        content = msgspec.msgpack.decode(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, list) and bool(content) and isinstance(content[0], str)
