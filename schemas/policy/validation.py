"""What the values of a policy have to satisfy, beyond their types."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, get_type_hints

import phonenumbers
from msgspec import Struct, structs

from schemas.codec.canonical_json import SAFE_INTEGER_MAX
from schemas.policy.model import DAY, Duration, Policy
from schemas.policy.patterns import pattern_fault

DURATION_MAX: Final = 366 * DAY
"""So that a deadline that follows from any accepted event has a written form (`schemas.timestamps`)."""

Fault = tuple[str, str]
"""(key, what is wrong with its value)."""


class Range(Struct, frozen=True):
    """Bounds of a number, `low` itself excluded where `above` says so."""

    low: float
    high: float | None = None
    above: bool = False


_ANY_SHARE: Final = Range(0.0, 1.0)
_POSITIVE: Final = Range(0.0, above=True)
_NOT_NEGATIVE: Final = Range(0.0)
_AT_LEAST_ONE: Final = Range(1.0)

_DAYS_MAX: Final = 366.0

RANGES: Final[dict[str, Range]] = {
    "presence.radius_m": _POSITIVE,
    "presence.max_accuracy_m": _POSITIVE,
    "presence.slot": _POSITIVE,
    "proof.min_images": _AT_LEAST_ONE,
    "offline.name_similarity": _ANY_SHARE,
    "offline.date_tolerance_days": Range(0.0, _DAYS_MAX),
    "alert.travel_speed_kmh": _POSITIVE,
    "alert.travel_distance_m": _NOT_NEGATIVE,
    "alert.spike_claims": _AT_LEAST_ONE,
    "alert.spike_ratio": _NOT_NEGATIVE,
    "alert.spike_floor": _POSITIVE,
    "alert.surge_claims": _AT_LEAST_ONE,
    "alert.surge_deviations": _NOT_NEGATIVE,
    "alert.surge_hours": Range(1.0, 24 * _DAYS_MAX),
}
"""What numbers may be where "not negative" is not all that is asked."""


def faults(policy: Policy) -> Iterator[Fault]:
    """Yield what is wrong with a policy, in the order of its keys; nothing for one that can be used."""
    yield from _label(policy.label)
    for key, value in values(policy):
        yield from _value(key, value)
    yield from _aliases(policy.city.aliases)
    yield from _relations(policy)


def duration_keys() -> frozenset[str]:
    """Return the keys of a policy whose values are durations."""
    return frozenset(
        f"{group.name}.{name}"
        for group in structs.fields(Policy)
        if isinstance(group.default, Struct)
        for name, kind in get_type_hints(type(group.default), include_extras=True).items()
        if kind == Duration
    )


_DURATIONS: Final = duration_keys()


def values(policy: Policy) -> Iterator[tuple[str, object]]:
    """Yield the keys of a policy's groups (`presence.radius_m`) with their values, in the order of the document."""
    for group in structs.fields(policy):
        content = getattr(policy, group.name)
        if isinstance(content, Struct):
            for field in structs.fields(content):
                yield f"{group.name}.{field.name}", getattr(content, field.name)


def _label(label: str) -> Iterator[Fault]:
    if not label.strip():
        yield "label", "is blank"
    elif "@" in label or not label.isprintable():
        yield "label", "may not contain @ or characters that cannot be seen"


def _value(key: str, value: object) -> Iterator[Fault]:
    if isinstance(value, int | float) and (fault := _number(key, value)):
        yield key, fault
    if isinstance(value, tuple) and any(not isinstance(item, str) or not item.strip() for item in value):
        yield key, "has a blank entry"
    if key.endswith("_pattern") and isinstance(value, str) and (fault := pattern_fault(value)):
        yield key, f"is not a regular expression: {fault}"
    if key == "offline.default_region" and value not in phonenumbers.SUPPORTED_REGIONS:
        yield key, "is not a region of ISO 3166 with telephone numbers of its own"


def _number(key: str, value: float) -> str | None:
    if isinstance(value, int) and value > SAFE_INTEGER_MAX:
        return f"has to be at most {SAFE_INTEGER_MAX}"
    if not math.isfinite(value):
        return "is not finite"
    if key in _DURATIONS and value > DURATION_MAX:
        return f"is longer than {DURATION_MAX // DAY} days"
    allowed = RANGES.get(key, _NOT_NEGATIVE)
    if value < allowed.low or (allowed.above and value == allowed.low):
        return f"has to be {'above' if allowed.above else 'at least'} {allowed.low:g}"
    if allowed.high is not None and value > allowed.high:
        return f"has to be at most {allowed.high:g}"
    return None


def _aliases(aliases: Mapping[str, str]) -> Iterator[Fault]:
    names: dict[str, str] = {}
    for alias in aliases:
        key = f'city.aliases."{alias}"'
        compared = alias.strip().casefold()
        if not compared or not aliases[alias].strip():
            yield key, "is blank"
        elif compared in names:
            yield key, f"is given twice, also as {names[compared]!r}"
        names[compared] = alias
    for alias, city in aliases.items():
        if city.strip().casefold() in names:
            yield f'city.aliases."{alias}"', f"leads to {city!r}, which is itself an alias"


def _relations(policy: Policy) -> Iterator[Fault]:
    presence = policy.presence
    if policy.alert.stay > presence.linger:
        yield "alert.stay", "is longer than presence.linger, so no stay could ever be told"
    if presence.retention < presence.before + presence.after:
        yield "presence.retention", "is shorter than presence.before and presence.after together"
    if presence.retention < presence.slot:
        yield "presence.retention", "is shorter than presence.slot"
