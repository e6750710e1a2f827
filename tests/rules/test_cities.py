"""Names of cities as they are compared."""

from __future__ import annotations

import pytest

from agents.case.cities import compared, is_among
from tests.scenario import POLICY


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Bengaluru", "bangalore"),
        ("New Delhi", "delhi"),
        ("bombay", "mumbai"),
        ("CALCUTTA", "kolkata"),
        (" madras\t", "chennai"),
        ("new\u00a0 delhi", "delhi"),
        ("Jaipur ", "jaipur"),
        (" Navi  Mumbai", "navi mumbai"),
    ],
)
def test_a_city_has_one_name_whatever_its_case_white_space_and_alias(name: str, form: str) -> None:
    assert compared(name, POLICY) == form


def test_a_list_in_the_policy_may_use_an_alias() -> None:
    assert is_among("Mumbai", ("Bombay",), POLICY)
    assert not is_among("Mumbai", (), POLICY)
