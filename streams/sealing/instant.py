"""From when a record is: what was erased up to then is dropped, however late it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec.decoder import is_binary
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.headers import Headers
from schemas.errors import InvalidMessage
from schemas.timestamps import parse_instant
from schemas.topics import CASES, DEAD_LETTERS
from streams.archive.records import ArchivedRecord
from streams.sealing.case_messages import Forwarded, read_message


def instant_of(topic: str, record: ArchivedRecord) -> int:
    """Return from when (ms) a record is: when it was written or, if that is earlier, when what it tells happened."""
    return min((record.timestamp, *(time // 1000 for time in _times_in(topic, record))))


def _times_in(topic: str, record: ArchivedRecord) -> Iterator[int]:
    """Yield the times (microseconds) that a record says, and what is in it."""
    if topic.endswith(CASES):
        yield from _times_of_message(record)
        return
    yield from _times(record.value, record.headers)
    if topic.endswith(DEAD_LETTERS):
        with suppress(InvalidMessage):  # of another producer
            letter = decode_dead_letter(record.value or b"")
            yield from _times(letter.value, letter.headers)


def _times(value: bytes | None, headers: Headers) -> Iterator[int]:
    """Yield the time (microseconds) that an event or message says, if it can be read."""
    with suppress(ValueError, RecursionError):
        if is_binary(headers):
            texts = [part for name, part in headers if part is not None and name.lower() == "ce_time"]
            yield from (parse_instant(text.decode()) for text in texts[-1:])
        else:
            yield parse_instant(_timed.decode(value or b"").time)


def _times_of_message(record: ArchivedRecord) -> Iterator[int]:
    message = read_message(record.value or b"")
    if isinstance(message, Forwarded):
        yield message.timestamp * 1000
        yield from _times(message.value, message.headers)
    elif message is not None:
        yield from (fix.time for fix in message.answer.fixes)


class _Timed(Struct):
    """An event or message that says a time."""

    time: str


_timed: Final = msgspec.json.Decoder(_Timed)
