"""All branches of the SOPs, and how many jobs of a simulation follow each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.simulator import offline_service, ordinary
from streams.simulator.cities import SimCity
from streams.simulator.out_of_scope import claims, commercial, ratings

BRANCHES: Final = (
    *ordinary.BRANCHES,
    *claims.BRANCHES,
    *commercial.BRANCHES,
    *ratings.BRANCHES,
    *offline_service.BRANCHES,
)
"""Every branch. Another order gives every seed other bytes."""


def share_out(jobs: int, cities: Sequence[SimCity]) -> dict[str, int]:
    """Return how many of `jobs` follow each branch that fits one of `cities`; the numbers add up to `jobs`.

    Each branch gets the whole part of its share, and the jobs left over go to the largest fractions. So a rare branch
    appears as soon as its share comes close to one job, whatever the seed.
    """
    possible = [branch for branch in BRANCHES if any(branch.fits(city) for city in cities)]
    total = sum(branch.weight for branch in possible)
    exact = {branch.name: jobs * branch.weight / total for branch in possible}
    counts = {name: int(share) for name, share in exact.items()}
    by_fraction = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_fraction[: jobs - sum(counts.values())]:
        counts[name] += 1
    return counts
