"""Location reports of one partner, thinned and in order of time, each packed into some hundred bytes.

A partner sends hundreds of reports an hour and 72 hours of them are kept, so a report is one `bytes` object: a head of
fixed size that begins with the time (so that rows sort by it), then id, source and content digest. Of one slot only one
report is kept, mocked and others apart (contracts, "Events in"), so no two rows of a series have the same time.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from schemas.events import Event, LocationReported
from schemas.policy.model import Policy

HEAD: Final = Layout(">QdddH")
"""Time (shifted, so that it sorts as bytes), latitude, longitude, accuracy, index of the report rules."""
TIME: Final = Layout(">Q")
SHIFT: Final = 1 << 63
SEPARATOR: Final = b"\xff"
"""Occurs in no UTF-8 text, so it parts id, source and content."""
COMPACT_AFTER: Final = 512


class ReportRules(Struct, frozen=True, array_like=True):
    """What a report is kept and judged by: numbers of the policy in force at its own time; durations in µs."""

    slot: int
    max_accuracy_m: float
    retention: int
    margin: int
    """Further back than the retention: moments that a report within it concerns have their whole windows, in slots."""
    travel_speed_kmh: float
    travel_distance_m: float
    moment_ttl: int


class Report(Struct, frozen=True, gc=False):
    """What is needed of a report to measure with; `time` in microseconds, `rules` an index, `row` the packed report."""

    time: int
    lat: float
    lon: float
    accuracy_m: float
    rules: int
    row: bytes

    @property
    def is_fix(self) -> bool:
        """Whether it says where the partner was: phones write accuracy 0, or a place of exactly (0, 0), for unknown."""
        return self.accuracy_m != 0 and (self.lat != 0 or self.lon != 0)

    def is_valid(self, max_accuracy_m: float) -> bool:
        """Tell whether it counts for presence and travel (domain, "Presence"); mocked ones are kept apart."""
        return self.accuracy_m <= max_accuracy_m and self.is_fix

    @property
    def ref(self) -> str:
        """How evidence names the report (`Event.ref`)."""
        report_id, source = identity_of(self.row).split(SEPARATOR)
        return f"{source.decode().replace('#', '%23')}#{report_id.decode()}"


def report_rules(policy: Policy) -> ReportRules:
    """Return the numbers of a policy that reports are kept and judged by."""
    slot = max(policy.presence.slot, 1)  # a slot of nothing parts all instants
    back = max(policy.presence.before, policy.alert.mocked_window)
    ahead = max(policy.presence.after, policy.alert.mocked_window, policy.presence.linger)
    return ReportRules(
        slot=slot,
        max_accuracy_m=policy.presence.max_accuracy_m,
        retention=policy.presence.retention,
        margin=ahead + back + slot,
        travel_speed_kmh=policy.alert.travel_speed_kmh,
        travel_distance_m=policy.alert.travel_distance_m,
        moment_ttl=policy.alert.moment_ttl,
    )


def identity(event: Event[LocationReported]) -> bytes:
    """Return what tells a report from all others of its partner: its id and source, packed."""
    return event.id.encode() + SEPARATOR + event.source.encode()


def pack(event: Event[LocationReported], packed_identity: bytes, rules: int) -> bytes:
    """Return a report as a row; `packed_identity` is its `identity`, `rules` the index of its rules."""
    data = event.data
    head = HEAD.pack(event.time + SHIFT, data.lat, data.lon, data.accuracy_m, rules)
    return b"".join((head, packed_identity, SEPARATOR, event.content))


def unpack(row: bytes) -> Report:
    """Return a row as a report."""
    shifted, lat, lon, accuracy_m, rules = HEAD.unpack_from(row)
    return Report(shifted - SHIFT, lat, lon, accuracy_m, rules, row)


def time_of(row: bytes) -> int:
    """Return the time of a row in microseconds."""
    (shifted,) = TIME.unpack_from(row)
    return int(shifted) - SHIFT


def identity_of(row: bytes) -> bytes:
    """Return the packed identity of a row."""
    return row[HEAD.size : _identity_end(row)]


def content_of(row: bytes) -> bytes:
    """Return the content digest of a row."""
    return row[_identity_end(row) + 1 :]


def rank(row: bytes) -> tuple[bool, float, int, list[bytes]]:
    """Return by what the reports of a slot are ordered, the one that counts first.

    The more accurate, then the earlier, then the smaller by id and source; one that is no fix comes after all that are.
    """
    report = unpack(row)
    return not report.is_fix, report.accuracy_m, report.time, identity_of(row).split(SEPARATOR)


def _identity_end(row: bytes) -> int:
    return row.index(SEPARATOR, row.index(SEPARATOR, HEAD.size) + 1)


class Series:
    """Rows in order of time. Rows at the front are dropped lazily: `start` is the index of the first that counts."""

    __slots__ = ("rows", "start")

    def __init__(self, rows: list[bytes]) -> None:
        """Take rows in order, and the list itself."""
        self.rows = rows
        self.start = 0

    def __len__(self) -> int:
        return len(self.rows) - self.start

    def index(self, time: int) -> int:
        """Return the index in `rows` of the first row at or after an instant in microseconds."""
        return bisect_left(self.rows, TIME.pack(time + SHIFT), self.start)

    def between(self, first: int, last: int) -> list[bytes]:
        """Return the rows from one instant to another, both included."""
        return self.rows[self.index(first) : self.index(last + 1)]

    def insert(self, row: bytes) -> int:
        """Put a row in its place and return its index."""
        index = bisect_left(self.rows, row, self.start)
        self.rows.insert(index, row)
        return index

    def remove(self, row: bytes) -> None:
        """Take a row out."""
        del self.rows[bisect_left(self.rows, row, self.start)]

    def drop_before(self, time: int) -> list[bytes]:
        """Take out all rows before an instant and return them."""
        end = self.index(time)
        dropped = self.rows[self.start : end]
        self.start = end
        if end >= COMPACT_AFTER:
            del self.rows[:end]
            self.start = 0
        return dropped
