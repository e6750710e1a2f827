"""What a ledger posts for a decision, as `posting_table.json` says, and the ledger that a set of chains leads to.

`posting_table.json` is the only place where a rule of posting is written down: the page for consumers, the Python
client and the test kit are made from it. A rule is a line of the file, found by (kind, subject_of, outcome, status).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct

from schemas.events import Money
from schemas.outputs import AnyDecision

ACCOUNT_DECIMALS: Final = Decimal("0.0001")
"""As many decimals as an amount of an event can have."""
OF_THE_AMOUNT: Final = "currency"
"""The unit of an account that holds money."""


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    """An account of the ledger: the field of a decision that names its holder, its unit, and what it means."""

    holder: Literal["partner_id", "case_id"]
    unit: str
    meaning: str


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """What a decision puts on one account: a number of units, or the money in a field of the decision."""

    account: str
    side: Literal["debit", "credit"]
    amount: str


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What the ledger holds for a decision whose last revision has this outcome and status."""

    kind: str
    subject_of: str
    outcome: str
    status: str
    lines: tuple[Line, ...]
    meaning: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a decision must have for the rule to apply."""
        return (self.kind, self.subject_of, self.outcome, self.status)


class PostingTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The accounts of a ledger and the rules by which it posts."""

    version: int
    accounts: Mapping[str, Account]
    rules: tuple[Rule, ...]


class Entry(NamedTuple):
    """An amount on an account of a holder, in four decimals; debits are positive and credits negative."""

    account: str
    holder: str
    unit: str
    amount: str


def posting_table_bytes() -> bytes:
    """Return the posting table as it is published."""
    return files("streams.kit").joinpath("posting_table.json").read_bytes()


def posting_table() -> PostingTable:
    """Return the posting table."""
    return msgspec.json.decode(posting_table_bytes(), type=PostingTable)


def ledger(decisions: Iterable[AnyDecision], table: PostingTable) -> dict[str, object]:
    """Return the ledger that some decisions lead to: for each key its last revision, the balances, and what to review.

    The decisions are all revisions of any chains, or the last ones alone, in any order.
    """
    last: dict[str, AnyDecision] = {}
    for decision in decisions:
        key = decision.decision_key
        if key not in last or last[key].revision < decision.revision:
            last[key] = decision
    rules = {rule.key: rule for rule in table.rules}
    balances: Counter[tuple[str, str, str]] = Counter()
    rows, review = [], []
    for key, decision in sorted(last.items()):
        lines = _lines(decision, rules, table.accounts)
        if lines is None:
            review.append(key)
        for line in lines or ():
            balances[line[:3]] += Decimal(line.amount)  # type: ignore[assignment] # a Counter adds any numbers
        rows.append({**_members(key, decision), "lines": [line._asdict() for line in lines or ()]})
    totals = [Entry(*of, f"{amount:f}") for of, amount in sorted(balances.items()) if amount]
    return {"decisions": rows, "balances": [total._asdict() for total in totals], "review": review}


def _lines(
    decision: AnyDecision, rules: Mapping[tuple[str, str, str, str], Rule], accounts: Mapping[str, Account]
) -> list[Entry] | None:
    """Return the lines of a decision, sorted; None if a person must look at it."""
    body = decision.body
    rule = rules.get((body.kind, body.subject_of, body.outcome, body.status))
    if rule is None:
        return None
    entries = []
    for line in rule.lines:
        account = accounts[line.account]
        holder: str | None = getattr(body, account.holder)
        money: Money | object = getattr(body, line.amount, UNSET)
        if account.unit != OF_THE_AMOUNT:
            number, unit = line.amount, account.unit
        elif isinstance(money, Money):
            number, unit = money.amount, money.currency
        else:
            return None
        if holder is None:
            return None
        amount = (Decimal(number) if line.side == "debit" else -Decimal(number)).quantize(ACCOUNT_DECIMALS)
        if amount:
            entries.append(Entry(line.account, holder, unit, f"{amount:f}"))
    return sorted(entries)


def _members(key: str, decision: AnyDecision) -> dict[str, object]:
    body = decision.body
    return {
        "decision_key": key,
        "kind": body.kind,
        "subject_of": body.subject_of,
        "case_id": body.case_id,
        "partner_id": body.partner_id,
        "revision": decision.revision,
        "decision_id": decision.decision_id,
        "status": body.status,
        "outcome": body.outcome,
    }
