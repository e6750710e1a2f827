"""Seeded random numbers, for the simulator and the tests.

Everything builds on `Random.random` and on seeding with text, whose sequences Python keeps stable. So a seed gives the
same bytes on every version of Python.
"""

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A random number generator; its seed is made of parts, and other parts give an independent sequence."""

    def __init__(self, *seed_parts: str | int) -> None:
        self._draw = random.Random("/".join(str(part) for part in seed_parts)).random

    def fraction(self) -> float:
        """Return a number from 0 (inclusive) to 1 (exclusive)."""
        return self._draw()

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * self._draw()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both inclusive."""
        return low + int((high - low + 1) * self._draw())

    def chance(self, share: float) -> bool:
        """Return True with probability `share`."""
        return self._draw() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return one of `items`, all equally likely."""
        return items[int(len(items) * self._draw())]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Return one of `items`, with probabilities in proportion to `weights`."""
        left = self._draw() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def exponential(self, mean: float) -> float:
        """Return an exponentially distributed number with the given mean."""
        return -mean * math.log(1.0 - self._draw())

    def offset_m(self, spread_m: float) -> tuple[float, float]:
        """Return a normally distributed (east, north) offset of at most 2.5 spreads."""
        radius = min(math.sqrt(-2.0 * math.log(1.0 - self._draw())), 2.5) * spread_m
        turn = 2.0 * math.pi * self._draw()
        return radius * math.cos(turn), radius * math.sin(turn)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return `items` in random order."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = int((last + 1) * self._draw())
            deck[last], deck[other] = deck[other], deck[last]
        return deck
