"""The location reports of one partner, packed into about a hundred bytes each and sorted by time.

A partner sends hundreds of reports an hour and a track keeps 72 hours of them, so each report is one `bytes` object, a
row: a fixed-size header that begins with the time (rows sort by it), then id, source and content digest. A track keeps
one report per bucket, mocked ones apart (contracts.md, "Events in"), so no two rows of a series have the same time.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from schemas.events import Event, LocationReported
from schemas.policy.model import Policy

HEADER: Final = Layout(">QdddH")
"""Shifted time, latitude, longitude, accuracy, index of the report rules."""
TIME: Final = Layout(">Q")
TIME_SHIFT: Final = 1 << 63
"""Added to a time, so that packed bytes sort by time."""
SEPARATOR: Final = b"\xff"
"""Separates id, source and content; the byte occurs in no UTF-8 text."""
COMPACT_AFTER: Final = 512


class ReportRules(Struct, frozen=True, array_like=True):
    """The policy values by which a report is kept and judged; durations in microseconds."""

    bucket: int
    """Length of a bucket (`presence.slot`)."""
    max_accuracy_m: float
    retention: int
    margin: int
    """How far beyond the retention reports are kept, so that a query within the retention sees its whole window."""
    travel_speed_kmh: float
    travel_distance_m: float
    moment_ttl: int


class Report(Struct, frozen=True, gc=False):
    """An unpacked row; `time` in microseconds, `rules` is the index of its rules in the track."""

    time: int
    lat: float
    lon: float
    accuracy_m: float
    rules: int
    row: bytes

    @property
    def is_fix(self) -> bool:
        """Whether the report has a position: phones send accuracy 0 or exactly (0, 0) for "unknown"."""
        return self.accuracy_m != 0 and (self.lat != 0 or self.lon != 0)

    def is_valid(self, max_accuracy_m: float) -> bool:
        """Return whether the report, if not mocked, counts for presence and travel (domain.md, "Presence")."""
        return self.accuracy_m <= max_accuracy_m and self.is_fix

    @property
    def ref(self) -> str:
        """The report's `Event.ref`, as evidence cites it."""
        report_id, source = identity_of(self.row).split(SEPARATOR)
        return f"{source.decode().replace('#', '%23')}#{report_id.decode()}"


def report_rules(policy: Policy) -> ReportRules:
    """Return the values of a policy by which reports are kept and judged."""
    bucket = max(policy.presence.slot, 1)  # with length 0 every instant is a bucket of its own
    before = max(policy.presence.before, policy.alert.mocked_window)
    after = max(policy.presence.after, policy.alert.mocked_window, policy.presence.linger)
    return ReportRules(
        bucket=bucket,
        max_accuracy_m=policy.presence.max_accuracy_m,
        retention=policy.presence.retention,
        margin=after + before + bucket,
        travel_speed_kmh=policy.alert.travel_speed_kmh,
        travel_distance_m=policy.alert.travel_distance_m,
        moment_ttl=policy.alert.moment_ttl,
    )


def identity(event: Event[LocationReported]) -> bytes:
    """Return the packed identity of a report: its id and source."""
    return event.id.encode() + SEPARATOR + event.source.encode()


def pack(event: Event[LocationReported], packed_identity: bytes, rules: int) -> bytes:
    """Return a report as a row, given its `identity` and the index of its rules."""
    data = event.data
    header = HEADER.pack(event.time + TIME_SHIFT, data.lat, data.lon, data.accuracy_m, rules)
    return b"".join((header, packed_identity, SEPARATOR, event.digest))


def unpack(row: bytes) -> Report:
    """Return the report in a row."""
    shifted, lat, lon, accuracy_m, rules = HEADER.unpack_from(row)
    return Report(shifted - TIME_SHIFT, lat, lon, accuracy_m, rules, row)


def time_of(row: bytes) -> int:
    """Return the time of a row in microseconds."""
    (shifted,) = TIME.unpack_from(row)
    return int(shifted) - TIME_SHIFT


def identity_of(row: bytes) -> bytes:
    """Return the packed identity of a row."""
    return row[HEADER.size : _identity_end(row)]


def content_of(row: bytes) -> bytes:
    """Return the content digest of a row."""
    return row[_identity_end(row) + 1 :]


def rank(row: bytes) -> tuple[bool, float, int, list[bytes]]:
    """Return the sort key of the reports of one bucket, the best first (contracts.md, "Events in")."""
    report = unpack(row)
    return not report.is_fix, report.accuracy_m, report.time, identity_of(row).split(SEPARATOR)


def _identity_end(row: bytes) -> int:
    return row.index(SEPARATOR, row.index(SEPARATOR, HEADER.size) + 1)


class Series:
    """Rows sorted by time; `rows` keeps the list it is given.

    Rows at the front are dropped lazily: `start` is the index of the first row that counts.
    """

    __slots__ = ("rows", "start")

    def __init__(self, rows: list[bytes]) -> None:
        self.rows = rows
        self.start = 0

    def __len__(self) -> int:
        return len(self.rows) - self.start

    def index(self, time: int) -> int:
        """Return the index in `rows` of the first row at or after an instant in microseconds."""
        return bisect_left(self.rows, TIME.pack(time + TIME_SHIFT), self.start)

    def between(self, first: int, last: int) -> list[bytes]:
        """Return the rows from one instant to another, both included."""
        return self.rows[self.index(first) : self.index(last + 1)]

    def insert(self, row: bytes) -> int:
        """Insert a row in order and return its index."""
        index = bisect_left(self.rows, row, self.start)
        self.rows.insert(index, row)
        return index

    def remove(self, row: bytes) -> None:
        """Remove a row that is in the series."""
        del self.rows[bisect_left(self.rows, row, self.start)]

    def drop_before(self, time: int) -> list[bytes]:
        """Drop all rows before an instant and return them."""
        end = self.index(time)
        dropped = self.rows[self.start : end]
        self.start = end
        if end >= COMPACT_AFTER:
            del self.rows[:end]
            self.start = 0
        return dropped
