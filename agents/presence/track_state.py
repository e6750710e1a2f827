"""A track as a checkpoint keeps it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, msgpack

from agents.presence.answering import PendingQuery, PendingQueryKey
from agents.presence.reports import ReportRules

LONG_AGO: Final = -(1 << 62)


class TrackState(Struct, frozen=True, array_like=True):
    """A track in a checkpoint."""

    partner_id: str
    rules: list[ReportRules]
    latest: int
    latest_rules: int
    plain: list[bytes]
    mocked: list[bytes]
    queries: list[PendingQuery]
    requested: list[PendingQueryKey]
    dirty: list[PendingQueryKey]
    travel_candidates: list[bytes]
    emitted_alerts: dict[str, int]
    missed_retention: int
    displaced: list[bytes] = []
    erased_at: int = LONG_AGO


def write_state(state: TrackState) -> bytes:
    """Return the state of a track as MessagePack."""
    return msgpack.encode(state)


read_state: Final = msgpack.Decoder(TrackState).decode
"""Returns the state that `write_state` wrote; raises `msgspec.MsgspecError` for other bytes."""
