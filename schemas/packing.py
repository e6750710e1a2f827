"""Events in the compact form in which they are kept; no part of the contract."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.events import AnyEvent, Event, EventData

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Event[EventData])


def pack_event(event: AnyEvent) -> bytes:
    """Return an event in msgpack."""
    return _encoder.encode(event)


def unpack_event(packed: bytes) -> AnyEvent:
    """Return the event that was packed; raises `msgspec.DecodeError` for anything else."""
    return _decoder.decode(packed)
