"""The names by which the people are known whose data is sealed."""

from __future__ import annotations

from typing import Final

NOBODY: Final = "nobody"
"""Who has what cannot be attributed: no case and no partner is known."""


def partner(partner_id: str) -> str:
    """Return the name of a partner as a person."""
    return f"partner:{partner_id.strip()}"


def case(case_id: str) -> str:
    """Return the name of the customer of a case as a person: their key is the case's."""
    return f"case:{case_id.strip()}"


def customer(customer_id: str) -> str:
    """Return the name of a customer as a person."""
    return f"customer:{customer_id.strip()}"


def is_customer(person: str) -> bool:
    """Return whether a person is a customer."""
    return person.startswith(customer(""))
