"""What a sink needs from outside: partitions to read, and a store that keeps rows and positions together.

Both ports have one behavioural suite (`tests/contract/test_sink.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from schemas.codec.headers import Headers
from schemas.codec.limits import RecordSizes
from streams.runtime.ports import TP, Incoming


class Position(NamedTuple):
    """How far a partition was read: the id that Kafka gave its topic, and the next offset."""

    topic_id: str
    offset: int


class Record(NamedTuple):
    """A committed record as it was read, and the id of its topic.

    `timestamp` is in milliseconds. One that was too large to keep is truncated and has its original sizes.
    """

    tp: TP
    topic_id: str
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    original_sizes: RecordSizes | None = None


class Store(Protocol):
    """Keeps what is made of records. It belongs to one process at a time."""

    def positions(self) -> Mapping[TP, Position]:
        """Return where to continue; partitions that were never read are not in it."""

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        """Write what is made of `records`, and the positions behind them, in one atomic write; there may be no records.

        Records come once each, in the order of their partition. Positions of other partitions stay.
        """


class Polled(NamedTuple):
    """What a poll brought: records, partitions read to their end, and partitions that do not have the next offset."""

    records: Mapping[TP, Sequence[Incoming]]
    ended: frozenset[TP] = frozenset()
    out_of_range: frozenset[TP] = frozenset()


class Partitions(Protocol):
    """Reads partitions of some topics. Each method raises `Unavailable` if the brokers do not answer."""

    async def topic_ids(self) -> Mapping[TP, str]:
        """Return all partitions of the topics that exist, with the id of their topic."""

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """Return the log start offset and the end offset of a partition."""

    async def start(self, offsets: Mapping[TP, int]) -> None:
        """Read exactly these partitions, from these offsets on."""

    async def poll(self, records_max: int, wait_s: float) -> Polled:
        """Return about so many records, waiting for some if there are none; before the start there are none."""
