"""Comparing names of cities: trimmed, case folded, other names of a city taken as one (domain, "Route")."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.policy import Policy


def compared(name: str, policy: Policy) -> str:
    """Return a city's name as it is compared: trimmed, case folded, an alias replaced by the name it stands for."""
    folded = _folded(name)
    for alias, meant in policy.city.aliases.items():
        if _folded(alias) == folded:
            return _folded(meant)
    return folded


def is_among(name: str, cities: Iterable[str], policy: Policy) -> bool:
    """Tell whether a city is one of a policy's list, whichever of its names either side uses."""
    wanted = compared(name, policy)
    return any(compared(city, policy) == wanted for city in cities)


def _folded(name: str) -> str:
    return name.strip().casefold()
