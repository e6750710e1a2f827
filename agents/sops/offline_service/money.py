"""Exact arithmetic on decimal amounts, without floats or a rounding context."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schemas.events import Money

DECIMALS_AT_LEAST: Final = 2


def less(amount: Money, deductions: Iterable[Money]) -> Money:
    """Return an amount less deductions in the same currency, not below zero.

    The result has as many decimals as the amount with the most, and at least two (domain.md, "Offline service"). The
    caller compares currencies.
    """
    taken = tuple(deductions)
    assert all(each.currency == amount.currency for each in taken), "amounts of two currencies"
    scale = max(DECIMALS_AT_LEAST, *(_decimals(each) for each in (amount, *taken)))
    rest = max(0, _units(amount, scale) - sum(_units(each, scale) for each in taken))
    whole, fraction = divmod(rest, 10**scale)
    return Money(amount=f"{whole}.{fraction:0{scale}d}", currency=amount.currency)


def _decimals(money: Money) -> int:
    return len(money.amount.partition(".")[2])


def _units(money: Money, scale: int) -> int:
    """Return the amount in units of its `scale`-th decimal; integers are exact at any size."""
    whole, _, fraction = money.amount.partition(".")
    return int(whole + fraction.ljust(scale, "0"))
