"""The proven amount of a refund: exact, never below zero, with the most decimals of its amounts (DIS-10)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sops.offline_service.money import less
from schemas.events import Money

AMOUNTS = st.from_regex(r"\A(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?\Z").map(lambda text: Money(text, "INR"))


@pytest.mark.parametrize(
    ("amount", "deductions", "expected"),
    [
        ("1499", [], "1499.00"),
        ("1499.5", [], "1499.50"),
        ("1499.1234", [], "1499.1234"),
        ("0", [], "0.00"),
        ("100", ["30", "20.5"], "49.50"),
        ("100", ["0.001"], "99.999"),
        ("100.1230", ["0.123"], "100.0000"),
        ("0.30", ["0.10", "0.20"], "0.00"),
        ("100", ["100.0001"], "0.0000"),
        ("100", ["300"], "0.00"),
        ("999999999999.9999", ["0.0001"], "999999999999.9998"),
    ],
)
def test_deductions_are_exact_and_stop_at_zero(amount: str, deductions: list[str], expected: str) -> None:
    assert less(Money(amount, "INR"), [Money(each, "INR") for each in deductions]) == Money(expected, "INR")


@given(AMOUNTS, st.lists(AMOUNTS, max_size=5))
def test_deductions_agree_with_decimal_arithmetic(amount: Money, deductions: list[Money]) -> None:
    result = less(amount, deductions).amount
    assert Decimal(result) == max(Decimal(0), Decimal(amount.amount) - sum(Decimal(d.amount) for d in deductions))
    assert len(result.partition(".")[2]) == max(
        2, *(len(each.amount.partition(".")[2]) for each in (amount, *deductions))
    )


def test_two_currencies_are_refused() -> None:
    with pytest.raises(AssertionError):
        less(Money("1", "INR"), [Money("1", "USD")])
