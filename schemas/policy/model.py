"""The policy that decisions are made under (contracts.md, "Policy").

A policy consists of sections. A section is a struct: each field is declared once, with its default, unit, bounds and
clauses. Its key in a policy document is `section.field`. Durations are microseconds in a struct and text with a unit
("15 min", "72 h") in a document. The sections of an SOP are declared in its folder under `agents/sops/`.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Final, TypeVar

from msgspec import Struct, field

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_ALWAYS: Final = -(2**63)  # earlier than every instant

DURATION: Final = "duration"
"""The unit of a key whose value in a document is text with units ("15 min", "1h30m") or whole seconds."""

Violation = tuple[str, str]
"""(key, what is wrong with its value)."""


class Bounds(Struct, frozen=True):
    """The inclusive bounds of a number; `is_above` excludes `low` itself."""

    low: float
    high: float | None = None
    is_above: bool = False


class Key(Struct, frozen=True):
    """The annotation of a section's field: what its key means, its unit and the clauses that it serves."""

    note: str
    unit: str
    clauses: tuple[str, ...]
    bounds: Bounds | None = None
    """None stands for "not negative"."""
    check: Callable[[object], str | None] | None = None
    """Returns what is wrong with a value that has the right type and is within bounds, or None."""

    @property
    def text(self) -> str:
        """The note with its clauses."""
        return f"{self.note} ({', '.join(self.clauses)})"


def key(
    note: str,
    unit: str,
    *clauses: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    check: Callable[[object], str | None] | None = None,
) -> Key:
    """Return the annotation of a field; without bounds a number must not be negative."""
    if at_least is None and above is None:
        return Key(note, unit, clauses, check=check)
    low = above if at_least is None else at_least
    return Key(note, unit, clauses, Bounds(low or 0.0, at_most, is_above=at_least is None), check)


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a policy document; its name is that of the class in snake case (`BpcOnly`: `bpc_only`)."""

    def violations(self) -> Iterator[Violation]:
        """Yield contradictions between values that are each valid on their own."""
        yield from ()

    @classmethod
    def table(cls) -> str:
        """Return the name of the table."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


S = TypeVar("S", bound=Section)


class Presence(Section, frozen=True):
    """When location reports show a partner at the site (OOS-7, OOS-14, OOS-15)."""

    radius_m: Annotated[
        float,
        key("metres from the site within which a partner is on site, inclusive", "m", "OOS-7", above=0.0),
    ] = 500.0
    max_accuracy_m: Annotated[
        float,
        key("metres; a less accurate report is not valid", "m", "OOS-7", above=0.0),
    ] = 200.0
    before: Annotated[
        int,
        key("how long before a presence fact a report may lie and count for it", DURATION, "OOS-7"),
    ] = 15 * MINUTE
    after: Annotated[
        int,
        key("how long after a presence fact a report may lie and count for it", DURATION, "OOS-7"),
    ] = 5 * MINUTE
    linger: Annotated[
        int,
        key("how long after a cancellation a stay at the site is looked for", DURATION, "DIS-3"),
    ] = 2 * HOUR
    retention: Annotated[
        int,
        key("how long reports are kept behind the partner's latest", DURATION, "OOS-7"),
    ] = 72 * HOUR
    slot: Annotated[
        int,
        key("length of a bucket; the best report of each bucket counts", DURATION, "OOS-7", above=0.0),
    ] = 10 * SECOND
    reading_wait: Annotated[
        int,
        key("how long a worker waits for the first answer about a partner's presence", DURATION, "OOS-7"),
    ] = 10 * SECOND


class City(Section, frozen=True):
    """Other names of cities."""

    aliases: Annotated[
        dict[str, str],
        key("other names of a city, each with the name that stands for it", "names", "OOS-2", "OOS-7"),
    ] = field(
        default_factory=lambda: {
            "Bengaluru": "Bangalore",
            "New Delhi": "Delhi",
            "Bombay": "Mumbai",
            "Calcutta": "Kolkata",
            "Madras": "Chennai",
        }
    )

    def violations(self) -> Iterator[Violation]:
        """Yield aliases that are blank, occur twice or stand for another alias."""
        names: dict[str, str] = {}
        for alias, city in self.aliases.items():
            key = f'city.aliases."{alias}"'
            folded = alias.strip().casefold()
            if not folded or not city.strip():
                yield key, "is blank"
            elif folded in names:
                yield key, f"is given twice, also as {names[folded]!r}"
            names[folded] = alias
        for alias, city in self.aliases.items():
            if city.strip().casefold() in names:
                yield f'city.aliases."{alias}"', f"stands for {city!r}, which is itself an alias"


class Alert(Section, frozen=True):
    """Thresholds of alerts."""

    moment_ttl: Annotated[
        int,
        key("how long a moment alert fires", DURATION, "OOS-7"),
    ] = 24 * HOUR
    stay: Annotated[
        int,
        key("how long after a cancellation a partner on site counts as having stayed", DURATION, "DIS-2"),
    ] = 30 * MINUTE
    park_overdue: Annotated[
        int,
        key("how long after its due time a call to the partner is overdue", DURATION, "OOS-10"),
    ] = HOUR
    mocked_window: Annotated[
        int,
        key("how near to a presence fact a mocked report raises an alert", DURATION, "OOS-7"),
    ] = 15 * MINUTE
    travel_speed_kmh: Annotated[
        float,
        key("speed in km/h above which travel is impossible", "km/h", "OOS-7", above=0.0),
    ] = 150.0
    travel_distance_m: Annotated[
        float,
        key("metres below which travel is not judged", "m", "OOS-7", at_least=0.0),
    ] = 1000.0
    stuck: Annotated[
        int,
        key("how long a decision may be provisional", DURATION, "OOS-10", "OOS-18"),
    ] = 48 * HOUR
    spike_window: Annotated[
        int,
        key("how far back a partner's claims are counted", DURATION, "OOS-1"),
    ] = 7 * DAY
    spike_claims: Annotated[
        int,
        key("claims from which a partner can stand out", "claims", "OOS-1", at_least=1.0),
    ] = 3
    spike_ratio: Annotated[
        float,
        key(
            "times the others' claims per assignment above which a partner stands out",
            "times",
            "OOS-1",
            at_least=0.0,
        ),
    ] = 4.0
    spike_floor: Annotated[
        float,
        key("lower bound of the others' claims per assignment", "claims per assignment", "OOS-1", above=0.0),
    ] = 0.01
    surge_claims: Annotated[
        int,
        key("claims in an hour from which a city can stand out", "claims", "OOS-1", at_least=1.0),
    ] = 20
    surge_deviations: Annotated[
        float,
        key(
            "standard deviations above the mean at which a city stands out",
            "standard deviations",
            "OOS-1",
            at_least=0.0,
        ),
    ] = 4.0
    surge_hours: Annotated[
        int,
        key("number of preceding hours to compare an hour with", "h", "OOS-1", at_least=1.0, at_most=24 * 366.0),
    ] = 336


class Policy(Struct, frozen=True):
    """One version of the policy; `effective_from` is in microseconds since the epoch (None: always).

    `policy[Section]` returns a section, or its defaults if the policy was made without it.
    """

    label: str = "default"
    effective_from: int | None = None
    presence: Presence = Presence()
    city: City = City()
    alert: Alert = Alert()
    sections: tuple[Section, ...] = ()
    """The sections of the SOPs."""
    hash: str = ""
    """The hash of the canonical form; set by `schemas.policy.document.PolicyFormat.hashed`."""

    def __getitem__(self, section: type[S]) -> S:
        """Return the section of a type."""
        for each in self.sections:
            if isinstance(each, section):
                return each
        for each in (self.presence, self.city, self.alert):
            if isinstance(each, section):
                return each
        return section()

    @property
    def name(self) -> str:
        """The name of the policy in decisions: `label@hash`."""
        return f"{self.label}@{self.hash}"


class PolicySet:
    """Dated policies in any order, and the default that is in force before the first of them."""

    def __init__(self, policies: Iterable[Policy], default: Policy) -> None:
        starts = [(_ALWAYS if policy.effective_from is None else policy.effective_from, policy) for policy in policies]
        starts.sort(key=lambda start: start[0])
        self._policies = [policy for _, policy in starts]
        self._starts = [start for start, _ in starts]
        self.default: Final = default
        """The policy in force before the first of the others."""

    @property
    def dated(self) -> tuple[Policy, ...]:
        """The policies other than the default, in the order in which they come into force."""
        return tuple(self._policies)

    @property
    def starts(self) -> tuple[tuple[int, str], ...]:
        """When each dated policy comes into force (microseconds), and its name, in that order."""
        return tuple(zip(self._starts, (policy.name for policy in self._policies), strict=True))

    @property
    def all(self) -> tuple[Policy, ...]:
        """Every policy that may be in force, the default first."""
        return (self.default, *self._policies)

    def at(self, time: int | None) -> Policy:
        """Return the policy in force at an instant in microseconds; the default at None."""
        if time is None:
            return self.default
        index = bisect.bisect_right(self._starts, time)
        return self._policies[index - 1] if index else self.default
