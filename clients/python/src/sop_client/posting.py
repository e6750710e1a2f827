"""What a ledger posts for a decision: the posting table of sop-streams, as data.

The ledger holds for each decision what the *last* revision says and nothing else. So a new revision posts the
difference to what was posted for its decision before: `difference(table.lines(decision), posted)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Self

from sop_client.messages import Decision, Money

DECIMALS = 4
"""An amount has at most so many decimals."""
SCALE = 10**DECIMALS


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """An amount on the account of a holder, in ten-thousandths of its unit; debits are positive, credits negative.

    The unit is `PAF` (one penalty), `RATING` (one rating) or a currency.
    """

    account: str
    holder: str
    unit: str
    ten_thousandths: int

    @property
    def amount(self) -> Decimal:
        """The amount in units."""
        return Decimal(self.ten_thousandths).scaleb(-DECIMALS)


class NeedsReviewError(Exception):
    """Raised for a decision that no rule covers; nothing stands for it in the ledger, and a person must look at it."""


class PostingTable:
    """The rules of posting, from the text of a posting table (JSON)."""

    def __init__(self, text: str | bytes) -> None:
        document: dict[str, Any] = json.loads(text)
        self._accounts: Mapping[str, Mapping[str, str]] = document["accounts"]
        self._lines: Mapping[tuple[str, ...], list[dict[str, str]]] = {
            (rule["kind"], rule["subject_of"], rule["outcome"], rule["status"]): rule["lines"]
            for rule in document["rules"]
        }

    @classmethod
    def current(cls) -> Self:
        """Return the table of this version of the client."""
        return cls(files("sop_client").joinpath("posting_table.json").read_bytes())

    def lines(self, decision: Decision) -> tuple[Line, ...]:
        """Return what the ledger must hold for a decision, sorted; it replaces what earlier revisions led to.

        Raises `NeedsReviewError` for a value that the table does not know, and for a line without holder or amount.
        """
        values = (decision.kind, decision.subject_of, decision.outcome, decision.status)
        lines = self._lines.get(values)
        if lines is None:
            raise NeedsReviewError(f"{decision.decision_key}: no rule for {', '.join(values)}")
        return tuple(sorted(line for each in lines if (line := self._line(decision, **each)).ten_thousandths))

    def _line(self, decision: Decision, *, account: str, side: str, amount: str) -> Line:
        kept = self._accounts[account]
        holder = getattr(decision, kept["holder"])
        unit = kept["unit"]
        if unit == "currency":
            money: Money | None = getattr(decision, amount, None)
            if money is None:
                raise NeedsReviewError(f"{decision.decision_key}: no {amount}")
            amount, unit = money.amount, money.currency
        if holder is None:
            raise NeedsReviewError(f"{decision.decision_key}: no {kept['holder']} whose account it is")
        number = int(Decimal(amount) * SCALE)
        return Line(account, holder, unit, number if side == "debit" else -number)


def difference(lines: Iterable[Line], posted: Iterable[Line]) -> tuple[Line, ...]:
    """Return what to post so that a ledger that holds `posted` for a decision comes to hold `lines`, sorted."""
    amounts: dict[tuple[str, str, str], int] = {}
    for sign, some in ((1, lines), (-1, posted)):
        for line in some:
            place = (line.account, line.holder, line.unit)
            amounts[place] = amounts.get(place, 0) + sign * line.ten_thousandths
    return tuple(Line(*place, number) for place, number in sorted(amounts.items()) if number)
