"""Checks the values of a policy beyond their types (contracts.md, "Policy")."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

from schemas.policy.model import DAY, DURATION, Bounds, Key, Policy, Violation

SAFE_INTEGER_MAX: Final = 2**53 - 1
"""Canonical JSON (RFC 8785) has no exact form of larger integers, so they cannot be hashed."""
DURATION_MAX: Final = 366 * DAY
"""Keeps every deadline that follows from an accepted event before the year 10000 (`schemas.timestamps`)."""

_NOT_NEGATIVE: Final = Bounds(0.0)


def violations(policy: Policy, values: Iterable[tuple[str, Key, object]]) -> Iterator[Violation]:
    """Yield what is wrong with a policy, in the order of its keys; nothing for a valid one.

    `values` has the name, key and value of every key of the policy.
    """
    yield from _label(policy.label)
    for name, key, value in values:
        yield from _value(name, key, value)
    for section in (policy.presence, policy.city, policy.alert, *policy.sections):
        yield from section.violations()
    yield from _relations(policy)


def _label(label: str) -> Iterator[Violation]:
    if not label.strip():
        yield "label", "is blank"
    elif "@" in label or not label.isprintable():
        yield "label", "may not contain @ or unprintable characters"


def _value(name: str, key: Key, value: object) -> Iterator[Violation]:
    if isinstance(value, int | float) and (wrong := _number(key, value)):
        yield name, wrong
    if isinstance(value, tuple) and any(not isinstance(item, str) or not item.strip() for item in value):
        yield name, "has a blank entry"
    if key.check is not None and (wrong := key.check(value)):
        yield name, wrong


def _number(key: Key, value: float) -> str | None:
    if isinstance(value, int) and value > SAFE_INTEGER_MAX:
        return f"must be at most {SAFE_INTEGER_MAX}"
    if not math.isfinite(value):
        return "is not finite"
    if key.unit == DURATION and value > DURATION_MAX:
        return f"is longer than {DURATION_MAX // DAY} days"
    bounds = key.bounds or _NOT_NEGATIVE
    if value < bounds.low or (bounds.is_above and value == bounds.low):
        return f"must be {'above' if bounds.is_above else 'at least'} {bounds.low:g}"
    if bounds.high is not None and value > bounds.high:
        return f"must be at most {bounds.high:g}"
    return None


def _relations(policy: Policy) -> Iterator[Violation]:
    presence = policy.presence
    if policy.alert.stay > presence.linger:
        yield "alert.stay", "is longer than presence.linger, so no stay could ever raise an alert"
    if presence.retention < presence.before + presence.after:
        yield "presence.retention", "is shorter than presence.before and presence.after together"
    if presence.retention < presence.slot:
        yield "presence.retention", "is shorter than presence.slot"
