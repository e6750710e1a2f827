"""Seeded chance, the only place of the simulator that draws random numbers.

Everything is built on ``Random.random`` and on seeding by text, the two parts of the standard generator
whose sequences Python promises to keep, so that a seed gives the same bytes on every Python version.
"""

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A stream of draws named by its seed parts; other parts give an independent stream."""

    def __init__(self, *seed_parts: str | int) -> None:
        self._draw = random.Random("/".join(str(part) for part in seed_parts)).random

    def fraction(self) -> float:
        """Return a number from 0 (inclusive) to 1 (exclusive)."""
        return self._draw()

    def between(self, low: float, high: float) -> float:
        """Return a number from ``low`` to ``high``."""
        return low + (high - low) * self._draw()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both inclusive."""
        return low + int((high - low + 1) * self._draw())

    def chance(self, share: float) -> bool:
        """Return True in ``share`` (0 to 1) of the draws."""
        return self._draw() < share

    def pick(self, items: Sequence[T]) -> T:
        """Return one of ``items``, each as likely as the other."""
        return items[int(len(items) * self._draw())]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Return one of ``items``, as likely as its weight is heavy."""
        left = self._draw() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def exponential(self, mean: float) -> float:
        """Return a positive number, mostly small, of the given mean."""
        return -mean * math.log(1.0 - self._draw())

    def offset_m(self, spread_m: float) -> tuple[float, float]:
        """Return an (east, north) offset, normally distributed, never further out than 2.5 spreads."""
        radius = min(math.sqrt(-2.0 * math.log(1.0 - self._draw())), 2.5) * spread_m
        turn = 2.0 * math.pi * self._draw()
        return radius * math.cos(turn), radius * math.sin(turn)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return ``items`` in a drawn order."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = int((last + 1) * self._draw())
            deck[last], deck[other] = deck[other], deck[last]
        return deck
