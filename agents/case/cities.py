"""City names that count as equal despite white space, letter case and aliases (domain.md, "Route")."""

from __future__ import annotations

from functools import lru_cache

from agents.case.view import CaseView
from schemas.policy.model import Policy


def compared(name: str, policy: Policy) -> str:
    """Return a city's name for comparison: white space collapsed, case folded, aliases resolved."""
    return _compared(name, tuple(policy.city.aliases.items()))


@lru_cache(maxsize=1024)
def _compared(name: str, aliases: tuple[tuple[str, str], ...]) -> str:
    folded = _folded(name)
    for alias, meant in aliases:
        if _folded(alias) == folded:
            return _folded(meant)
    return folded


def is_among(name: str, cities: tuple[str, ...], policy: Policy) -> bool:
    """Return whether a city is in a list of a policy, by any of its names."""
    aliases = tuple(policy.city.aliases.items())
    return _compared(name, aliases) in _all_compared(cities, aliases)


@lru_cache(maxsize=64)
def _all_compared(cities: tuple[str, ...], aliases: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(_compared(city, aliases) for city in cities)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def place_labels(view: CaseView, policy: Policy) -> dict[str, str]:
    """Return the labels that all alerts of a case carry once its booking is known: city, as compared, and category."""
    if view.booking is None:
        return {}
    booking = view.booking.data
    return {"city": compared(booking.city, policy), "category": booking.category}
