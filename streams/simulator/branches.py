"""All scripted branches, and how many jobs of a simulation follow each."""

from collections.abc import Sequence
from typing import Final

from streams.simulator import claims, commercial, offline, ordinary, ratings
from streams.simulator.branch import Branch
from streams.simulator.cities import SimCity

BRANCHES: Final[tuple[Branch, ...]] = (
    *ordinary.BRANCHES,
    *claims.BRANCHES,
    *commercial.BRANCHES,
    *ratings.BRANCHES,
    *offline.BRANCHES,
)


def share_out(jobs: int, cities: Sequence[SimCity]) -> dict[str, int]:
    """Return how many of ``jobs`` follow each branch that fits one of ``cities``; the numbers sum up to ``jobs``.

    Each branch has the whole part of its share; what is left goes to the largest fractions, so that a rare
    branch is there as soon as its share comes near to one job, whatever the seed.
    """
    possible = [branch for branch in BRANCHES if any(branch.fits(city) for city in cities)]
    total = sum(branch.weight for branch in possible)
    exact = {branch.name: jobs * branch.weight / total for branch in possible}
    counts = {name: int(share) for name, share in exact.items()}
    by_fraction = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_fraction[: jobs - sum(counts.values())]:
        counts[name] += 1
    return counts
