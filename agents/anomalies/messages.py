"""What the anomaly agent is sent: the facts of each case that count for a watch, and how partners stand.

A *watch* is what one image, partner, area (a city and a category) or city is watched by. Its id is text that says what
it is about, and decides the partition in which it is kept.
"""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct


def watch_id(kind: str, *parts: str) -> str:
    """Return the id of a watch: its kind and what it is about, percent-encoded, with `|` between them."""
    return "|".join((kind, *(quote(part, safe="") for part in parts)))


def place_of(area: str) -> dict[str, str]:
    """Return the city and the category of an area's watch, as labels."""
    _, city, category = area.split("|")
    return {"city": unquote(city), "category": unquote(category)}


class Use(Struct, frozen=True, array_like=True):
    """The earliest use of an image in a case: the ref and the time (microseconds) of the fact."""

    ref: str
    time: int


class Claim(Struct, frozen=True, array_like=True):
    """An out-of-scope claim: the earliest out-of-scope ticket of an engagement; `time` in microseconds."""

    ticket_id: str
    ref: str
    time: int
    partner_id: str | None


class Assignment(Struct, frozen=True, array_like=True):
    """A `job.assigned`; `time` in microseconds."""

    time: int
    partner_id: str


class Contribution(Struct, frozen=True, array_like=True, tag="contribution"):
    """All that a case contributes to a watch; it replaces what the case contributed before.

    `begins_at` (microseconds) is the time of the case's earliest fact, which selects the policy. `area` is the id of
    the watch of the case's city and category, None without a booking.
    """

    watch: str
    case_id: str
    begins_at: int
    area: str | None = None
    use: Use | None = None
    claims: tuple[Claim, ...] = ()
    assignments: tuple[Assignment, ...] = ()

    @property
    def digest(self) -> bytes:
        """Eight bytes that change with the content."""
        return blake2b(msgspec.msgpack.encode(self), digest_size=8).digest()

    @property
    def times(self) -> list[int]:
        """The times of everything in it."""
        uses = () if self.use is None else (self.use,)
        return [each.time for each in (*uses, *self.claims, *self.assignments)]


ClaimKey = tuple[str, str]
"""Case id and ticket id."""


class Standing(Struct, frozen=True, array_like=True, tag="standing"):
    """How often a partner claimed in the window up to a claim, anywhere: from the partner's watch to the area's."""

    watch: str
    case_id: str
    begins_at: int
    claim: Claim
    claims: int
    assignments: int
    evidence: tuple[str, ...]

    @property
    def key(self) -> ClaimKey:
        """What identifies the claim."""
        return (self.case_id, self.claim.ticket_id)

    @property
    def rate(self) -> float:
        """How many claims there are for each assignment; no assignment counts as one."""
        return self.claims / max(self.assignments, 1)


class Outlier(Struct, frozen=True, array_like=True, tag="outlier"):
    """That a partner stands out in an area: from the area's watch to the partner's, which knows if it has been said.

    `others_rate` is how many claims for each assignment all other partners of the area have.
    """

    watch: str
    standing: Standing
    others_rate: float


WatchMessage = Contribution | Standing | Outlier
