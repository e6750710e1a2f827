"""What other policies would decide about the same events, in decisions and on a ledger (contracts.md, "Policy")."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from agents.case.cities import compared
from schemas.events import AnyEvent
from schemas.outputs import WITHDRAWN, AnyDecision, DecisionMessage
from schemas.policy.model import PolicySet
from streams.kit.posting import ledger, posting_table
from streams.replay.replay import Replay

OF_THE_POLICY: Final = frozenset({"policy", "effective_at", "evidence", "clauses"})
"""The fields in which decisions may differ and decide the same."""
NONE: Final = "none"
"""Where there is no decision."""
UNKNOWN: Final = "unknown"
"""The city of a case without a booking, and the partner of nobody."""


class Decided(Struct, frozen=True):
    """A decision, without what names its policy: its outcome, and what follows from it on a ledger."""

    outcome: str
    status: str
    fields: dict[str, object]
    postings: dict[tuple[str, str], Decimal]
    """By account and unit."""


class ChangedDecision(Struct, frozen=True, kw_only=True):
    """A decision that one side has and the other has not, or has otherwise."""

    decision_key: str
    kind: str
    subject_of: str
    case_id: str
    partner_id: str | None
    city: str
    before: str
    after: str
    fields: list[str]
    """The fields that differ, sorted; empty where one side has no such decision."""


class Transition(Struct, frozen=True, kw_only=True):
    """How many decisions of a kind have one outcome before and another after."""

    kind: str
    subject_of: str
    before: str
    after: str
    decisions: int


class AccountChange(Struct, frozen=True, kw_only=True):
    """What stands on an account of the ledger before and after, and what decisions add to it and take from it."""

    account: str
    unit: str
    before: str
    after: str
    added: str
    removed: str


class Affected(Struct, frozen=True, kw_only=True):
    """A partner or a city, how many of its decisions change, and how many penalties it gets more."""

    name: str
    decisions: int
    penalties: int


class DifferenceSummary(Struct, frozen=True, kw_only=True):
    """What other policies change, in numbers."""

    before: str
    after: str
    events: int
    decisions: int
    """How many decisions there are on either side."""
    transitions: list[Transition]
    accounts: list[AccountChange]

    @property
    def changed_count(self) -> int:
        """How many decisions change."""
        return sum(each.decisions for each in self.transitions)


class PolicyDifference(DifferenceSummary, frozen=True, kw_only=True):
    """All that other policies change."""

    changed: list[ChangedDecision]
    partners: list[Affected]
    cities: list[Affected]


def compare(
    events: Sequence[AnyEvent], until: int, before: tuple[str, PolicySet], after: tuple[str, PolicySet]
) -> PolicyDifference:
    """Replay the events up to an instant (microseconds) under two sets of policies, each with its name.

    Compares the last revision of every decision; a withdrawn one counts as none.
    """
    cities: dict[str, str] = {}
    sides = [_decided(events, until, policies, cities) for _, policies in (before, after)]
    messages = {key: message for side in sides for key, message in side.items()}
    old, new = (_comparable(side) for side in sides)
    changed = []
    penalties: dict[str, Counter[str]] = {"partners": Counter(), "cities": Counter()}
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if one == other:
            continue
        body = messages[key].body
        city = cities.get(body.case_id, UNKNOWN)
        changed.append(
            ChangedDecision(
                decision_key=key,
                kind=body.kind,
                subject_of=body.subject_of,
                case_id=body.case_id,
                partner_id=body.partner_id,
                city=city,
                before=_text(one),
                after=_text(other),
                fields=_differing(one, other),
            )
        )
        more = int(_amount(other, ("penalties", "PAF")) - _amount(one, ("penalties", "PAF")))
        penalties["partners"][body.partner_id or UNKNOWN] += more
        penalties["cities"][city] += more
    return PolicyDifference(
        before=before[0],
        after=after[0],
        events=len(events),
        decisions=len(old.keys() | new.keys()),
        changed=changed,
        transitions=_transitions(changed),
        accounts=_accounts(old, new),
        partners=_affected((each.partner_id or UNKNOWN for each in changed), penalties["partners"]),
        cities=_affected((each.city for each in changed), penalties["cities"]),
    )


def _decided(
    events: Sequence[AnyEvent], until: int, policies: PolicySet, cities: dict[str, str]
) -> dict[str, AnyDecision]:
    """Return the last revision of every decision by its key, withdrawn ones aside; add the cities of the cases."""
    replay = Replay(policies)
    last: dict[str, AnyDecision] = {}
    for message in replay.run(events, until):
        if isinstance(message, DecisionMessage):
            last[message.decision_key] = message
    for case_id, case in replay.cases.cases.items():
        if case.view.booking is not None:
            cities[case_id] = compared(case.view.booking.data.city, policies.default)
    return {key: message for key, message in last.items() if message.body.outcome != WITHDRAWN}


def _comparable(decisions: Mapping[str, AnyDecision]) -> dict[str, Decided]:
    rows = ledger(decisions.values(), posting_table())["decisions"]
    assert isinstance(rows, list), "a row for each decision"
    found = {}
    for row in rows:
        postings: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for line in row["lines"]:
            postings[line["account"], line["unit"]] += abs(Decimal(line["amount"]))
        body = decisions[row["decision_key"]].body
        fields = {name: each for name, each in msgspec.to_builtins(body).items() if name not in OF_THE_POLICY}
        found[row["decision_key"]] = Decided(body.outcome, body.status, fields, dict(postings))
    return found


def _text(decided: Decided | None) -> str:
    return NONE if decided is None else f"{decided.outcome} ({decided.status})"


def _amount(decided: Decided | None, account: tuple[str, str]) -> Decimal:
    return Decimal() if decided is None else decided.postings.get(account, Decimal())


def _differing(one: Decided | None, other: Decided | None) -> list[str]:
    if one is None or other is None:
        return []
    names = one.fields.keys() | other.fields.keys()
    return sorted(name for name in names if one.fields.get(name) != other.fields.get(name))


def _transitions(changed: Iterable[ChangedDecision]) -> list[Transition]:
    counts = Counter((each.kind, each.subject_of, each.before, each.after) for each in changed)
    return [
        Transition(kind=kind, subject_of=subject_of, before=before, after=after, decisions=count)
        for (kind, subject_of, before, after), count in sorted(counts.items())
    ]


def _accounts(old: Mapping[str, Decided], new: Mapping[str, Decided]) -> list[AccountChange]:
    sides = (old, new)
    accounts = sorted({account for side in sides for decided in side.values() for account in decided.postings})
    changes = []
    for account in accounts:
        before, after = (sum((_amount(each, account) for each in side.values()), Decimal()) for side in sides)
        steps = [_amount(new.get(key), account) - _amount(old.get(key), account) for key in old.keys() | new.keys()]
        added = sum((step for step in steps if step > 0), Decimal())
        removed = -sum((step for step in steps if step < 0), Decimal())
        before_text, after_text, added_text, removed_text = map(_number, (before, after, added, removed))
        changes.append(
            AccountChange(
                account=account[0],
                unit=account[1],
                before=before_text,
                after=after_text,
                added=added_text,
                removed=removed_text,
            )
        )
    return changes


def _affected(names: Iterable[str], penalties: Mapping[str, int]) -> list[Affected]:
    """Return the affected, those with the most changed decisions first."""
    counts = Counter(names)
    return [
        Affected(name=name, decisions=count, penalties=penalties[name])
        for name, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]


def _number(amount: Decimal) -> str:
    """Return an amount without the zeros at its end."""
    return f"{amount.normalize():f}" if amount else "0"
