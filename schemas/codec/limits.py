"""How large an inbound event and its fields may be (contracts, "Envelope"); what is named there is a setting."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

HEAD_BYTES: Final = 1024
"""How much is kept of a value or a key that is too large."""


class Limits(Struct, frozen=True):
    """Bounds on inbound events; characters are Unicode code points.

    `value_bytes` is how large the value of a record may be, `heading_bytes` how large its key, and how large all of its
    headers. `future_us` is how far in the future an event time may lie; `nesting_levels` how deep objects and lists may
    lie in one another, so that no input can exhaust the stack of whatever reads it.
    """

    value_bytes: int = 256 * 1024
    heading_bytes: int = 256 * 1024
    name_chars: int = 256
    url_chars: int = 2048
    future_us: int = 3_600_000_000
    nesting_levels: int = 64
