"""The messages to cases that have personal data, as `internal.cases` has them.

Only their form: the archive seals them, and a surface does not know the processor, which has the messages themselves.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from agents.presence.queries import PresenceAnswer


class Answer(Struct, array_like=True, tag="answer"):
    """A presence answer as `internal.cases` has it."""

    answer: PresenceAnswer


class Forwarded(Struct, array_like=True, tag="forwarded"):
    """A forwarded event as `internal.cases` has it, with all its members up to the headers."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


_messages: Final[msgspec.msgpack.Decoder[Answer | Forwarded]] = msgspec.msgpack.Decoder(Answer | Forwarded)


def read_message(value: bytes) -> Answer | Forwarded | None:
    """Return a message to a case that has personal data, None for any other value, above all for a sealed one."""
    try:
        return _messages.decode(value)
    except (ValueError, RecursionError):
        return None
