"""The language of the rule tables: a row is a case in plain words and what comes out of it.

    row(
        "P2 comes before P4",                              what the row shows
        off_site().not_genuine().partner_cancelled(),      what happened
        upheld("not_genuine", "OOS-18", "t1 validated cancelled"),     what comes out
    )

To add a row, open the file of the specification's table (`test_paf.py` for the penalty), find the place that the order
of the specification gives it, and write:

1. The case. Begin with `job()`, `on_site()`, `off_site()` or `unseen()` and go on with the methods of `Scenario`, in
   the order in which the events arrive. Every event has a usual time; give a time only where it matters.
2. What comes out. `decision(...)` states a decision in full: outcome, status, clauses, evidence, reasons and fields.
   Evidence is named as its facts are: `booked`, `t1`, `cancelled2` for the second cancellation. A decision takes effect
   with the latest of its evidence; give `at` where a deadline makes it later. `no_decision(...)`: none was ever made.
   An action or alert is described once, above its table; a row names its state, as in `PARK.open`, `PARK.done`,
   `PARK.withdrawn`, `PARK.never`, or `OVERDUE.fires("14:00")`, `OVERDUE.resolved`, `OVERDUE.never`.
3. If needed, `now` (an instant later than the latest event) and `policy` (lines of a policy document).

A case runs through the agents event by event (`tests/scenario.py`). Rows see the messages that come out, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from schemas.policy.model import HOUR
from schemas.timestamps import parse_instant
from tests.e2e.verifier import NOT_HASHED
from tests.scenario import POLICY, SOURCE, Scenario, instant, policy_with, rfc3339

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

Message = dict[str, Any]
OOS: Final = "out_of_scope"
OFFLINE: Final = "offline_service"
DECIDED_PER_CASE: Final = (OFFLINE,)
"""SOPs that have one decision of a kind for a case, whoever the partner."""
OF_THE_REVISION: Final = {*NOT_HASHED, "case_id", "policy", "time"}
"""Members of a decision that are about its revision; rows state all others."""


class Expected:
    """One thing that a row expects: `label` begins the row's name, `clauses` are those that it states."""

    label: str = ""
    clauses: str = ""

    def stated(self, case: Scenario) -> object:
        """Return what ought to come out of a case."""
        raise NotImplementedError

    def found(self, messages: list[Message]) -> object:
        """Return what the messages say of the same thing."""
        raise NotImplementedError


@dataclass(frozen=True)
class Row:
    """A case, when and under which policy it is evaluated, and what ought to come out."""

    case: Scenario
    expected: tuple[Expected, ...]
    now: str | None
    policy: str

    def stated(self) -> list[object]:
        """Return what the row states."""
        return [each.stated(self.case) for each in self.expected]

    def found(self) -> list[object]:
        """Run the case and return what comes out."""
        policy = policy_with(self.policy) if self.policy else POLICY
        messages = self.case.messages(self.now, policy)
        return [each.found(messages) for each in self.expected]


def row(name: str, case: Scenario, *expected: Expected, now: str | None = None, policy: str = "") -> ParameterSet:
    """Return a row as a parameter of its test, named by its first expectation and `name`."""
    return pytest.param(Row(case, expected, now, policy), id=f"{expected[0].label}{name}")


def rows_of(table: Iterable[ParameterSet]) -> list[Row]:
    """Return the rows of a table."""
    return [each for parameters in table for each in parameters.values if isinstance(each, Row)]


# Cases to begin with


def job(*, group: str | None = None, **booking: Any) -> Scenario:
    """A job in Delhi booked at 08:00 and assigned to p1 at 09:00."""
    return Scenario().booked(**booking).assigned(group=group)


def on_site(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """A job with an out-of-scope ticket t1 at 10:00, p1 reported 100 m from the site."""
    return job(group=group, **booking).report("10:00").ticket(by=by, reason=reason)


def off_site(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """A job with an out-of-scope ticket t1 at 10:00, p1 reported 2 km from the site."""
    return job(group=group, **booking).report("10:00", 2000).ticket(by=by, reason=reason)


def unseen(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """A job with an out-of-scope ticket t1 at 10:00 and no location report."""
    return job(group=group, **booking).ticket(by=by, reason=reason)


def offices(**more: Any) -> dict[str, Any]:
    """Return a booking of the route `commercial`: commercial premises outside the ticket flow."""
    return {"city": "Jaipur", "premises": "commercial"} | more


# Decisions


@dataclass(frozen=True)
class Decision(Expected):
    """The last revision of a decision; `body` is None where none was ever made."""

    kind: str
    subject_of: str
    partner: str | None
    body: dict[str, Any] | None
    clauses: str = ""
    at: str | None = None

    def of(self, partner: str | None) -> Decision:
        """Return the same decision about another partner."""
        return replace(self, partner=partner, body=self.body and self.body | {"partner_id": partner})

    def stated(self, case: Scenario) -> object:
        if self.body is None:
            return None
        at = instant(self.at) if self.at else max(map(case.time_of, self.body["evidence"]))
        return self.body | {"effective_at": rfc3339(at)}

    def found(self, messages: list[Message]) -> object:
        revisions = [
            each
            for each in data_of(messages, f"decision.{self.kind}")
            if each["subject_of"] == self.subject_of
            and (self.subject_of in DECIDED_PER_CASE or each["partner_id"] == self.partner)
        ]
        if not revisions:
            return None
        body = {name: value for name, value in revisions[-1].items() if name not in OF_THE_REVISION}
        return body | {"evidence": names(body["evidence"])}


def decision(
    kind: str,
    outcome: str,
    status: str,
    clauses: str,
    evidence: str,
    *,
    reasons: str = "",
    at: str | None = None,
    partner: str | None = "p1",
    subject_of: str = OOS,
    **fields: Any,
) -> Decision:
    """State a decision in full; clauses, evidence and reasons are words in one string, `fields` its further fields."""
    body = {
        "kind": kind,
        "subject_of": subject_of,
        "partner_id": partner,
        "outcome": outcome,
        "status": status,
        "clauses": sorted(clauses.split()),
        "evidence": sorted(set(evidence.split())),
        "reasons": sorted(reasons.split()),
    }
    return Decision(kind, subject_of, partner, body | fields, clauses, at)


def no_decision(kind: str, *, partner: str | None = "p1", subject_of: str = OOS) -> Decision:
    """State that no decision of a kind was ever made."""
    return Decision(kind, subject_of, partner, None)


@dataclass(frozen=True)
class Decided(Expected):
    """The decisions that stand, all sides of the case, as `kind partner`."""

    keys: frozenset[str]

    def stated(self, _: Scenario) -> object:
        return self.keys

    def found(self, messages: list[Message]) -> object:
        last = {(each["kind"], each["subject_of"], each["partner_id"]): each for each in data_of(messages, "decision.")}
        return {f"{kind} {partner}" for (kind, _, partner), each in last.items() if each["outcome"] != "withdrawn"}


def decided(*keys: str) -> Decided:
    """State which decisions stand, about whom: `decided("tagging p1", "paf p1")`; nobody is `None`."""
    return Decided(frozenset(keys))


# Actions and alerts


@dataclass(frozen=True)
class Signal(Expected):
    """An action or alert: its key, its state, and its members while it is open or fires (None: absent)."""

    type: str
    name: str
    key: dict[str, str | None]
    body: dict[str, Any]
    clauses: str = ""
    state: str = "stands"
    time: str | None = None

    @property
    def label(self) -> str:  # type: ignore[override]
        return f"{self.name}: "

    @property
    def open(self) -> Signal:
        return replace(self, state="stands")

    @property
    def done(self) -> Signal:
        return replace(self, state="done")

    @property
    def withdrawn(self) -> Signal:
        return replace(self, state="withdrawn")

    @property
    def resolved(self) -> Signal:
        return replace(self, state="resolved")

    @property
    def never(self) -> Signal:
        return replace(self, state="never")

    def at(self, time: str) -> Signal:
        """Return the same with its effective time."""
        return replace(self, time=rfc3339(instant(time)))

    def about(self, **key: str | None) -> Signal:
        """Return the same about another ticket or partner, or with any other member of its key changed."""
        return replace(self, key=self.key | key)

    def but(self, **members: Any) -> Signal:
        """Return the same with some members changed."""
        return replace(self, body=self.body | members)

    def citing(self, evidence: str) -> Signal:
        """Return the same with its evidence, by the names of facts."""
        return self.but(evidence=sorted(evidence.split()))

    def fires(self, since: str, evidence: str | None = None) -> Signal:
        """Return an alert that fires since an instant, with its evidence."""
        firing = self.but(starts_at=rfc3339(instant(since)))
        return firing.citing(evidence) if evidence else firing

    def stated(self, _: Scenario) -> object:
        return (self._members() if self.state == "stands" else self.state), self.time

    def found(self, messages: list[Message]) -> object:
        for data in reversed(data_of(messages, self.type)):
            emitted = data | data.get("labels", {}) | {"evidence": names(data["evidence"])}
            if emitted.get("code", emitted.get("name")) == self.name and all(
                emitted.get(member) == value for member, value in self.key.items()
            ):
                stands = emitted["state"] in ("open", "firing")
                return (self._content(emitted) if stands else emitted["state"]), self.time and emitted["time"]
        return "never", None

    def _content(self, emitted: Message) -> Message:
        """Return what the message has of the members that the row states."""
        if "ends_at" in emitted:
            emitted["lasts_h"] = (parse_instant(emitted["ends_at"]) - parse_instant(emitted["starts_at"])) / HOUR
        if "key" in emitted:
            emitted["key"].sort()
        return {member: emitted.get(member) for member in self._members()}

    def _members(self) -> dict[str, Any]:
        if self.type == "action":
            return self.body
        return self.body | {"key": sorted(member for member, value in self.key.items() if value is not None)}


def action(
    code: str,
    clauses: str,
    *,
    ticket: str | None = None,
    partner: str | None = "p1",
    due: str | None = None,
    **params: str,
) -> Signal:
    """Describe an action, of which rows name the state; `due` and a parameter `until` are read by `instant`."""
    if "until" in params:
        params["until"] = rfc3339(instant(params["until"]))
    body = {"clauses": sorted(clauses.split()), "params": params, "due_at": rfc3339(instant(due)) if due else None}
    return Signal("action", code, {"ticket_id": ticket, "partner_id": partner}, body, clauses)


def alert(name: str, severity: str, *, is_moment: bool = False, **key: str | None) -> Signal:
    """Describe an alert by the members of its key (None: absent), of which rows name the state."""
    body = {
        "alertname": name,
        "severity": severity,
        "city": "delhi",
        "category": "ac",
        "lasts_h": 24 if is_moment else None,
    }
    return Signal("alert", name, {"case_id": "job-1", **key}, body)


# Reading messages


def data_of(messages: list[Message], type_: str) -> list[Message]:
    """Return the data of the messages whose type begins so, each with the message's time."""
    return [each["data"] | {"time": each["time"]} for each in messages if each["type"].startswith(type_)]


def names(refs: list[str]) -> list[str]:
    """Return facts by name, sorted."""
    return sorted(ref.removeprefix(f"{SOURCE}#") for ref in refs)
