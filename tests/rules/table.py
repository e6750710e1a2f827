"""Rows of the rules' tables, and the beginnings that many cases share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from schemas.policy.model import Policy
from tests.scenario import POLICY, Outcome, Ruled, Scenario

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

CODE = {"tag_code": "4.2"}


@dataclass(frozen=True)
class Row:
    """A case, the instant it is decided at (None: its latest event), and what ought to come out for a partner."""

    case: Scenario
    expected: Ruled | None
    now: str | None
    partner: str | None
    policy: Policy

    def outcome(self) -> Outcome:
        """Decide the case."""
        return self.case.verdict(self.now, self.policy)


def row(
    name: str,
    case: Scenario,
    expected: Ruled | None,
    *,
    now: str | None = None,
    partner: str | None = "p1",
    policy: Policy = POLICY,
) -> ParameterSet:
    """Return a named row as a test parameter."""
    return pytest.param(Row(case, expected, now, partner, policy), id=name)


@dataclass(frozen=True)
class StepRow:
    """A case and the state in which a next step ought to be; open ones with clauses, parameters and due time."""

    case: Scenario
    code: str
    state: str
    clauses: tuple[str, ...]
    params: dict[str, str]
    now: str | None
    partner: str | None
    ticket: str | None


def step(
    name: str,
    case: Scenario,
    code: str,
    state: str,
    clauses: str = "",
    *,
    params: dict[str, str] | None = None,
    now: str | None = None,
    partner: str | None = "p1",
    ticket: str | None = None,
) -> ParameterSet:
    """Return a named row about one step; `withdrawn` means neither open nor done."""
    told = StepRow(case, code, state, tuple(sorted(clauses.split())), params or {}, now, partner, ticket)
    return pytest.param(told, id=f"{code}: {name}")


def begun(*, group: str | None = None, **booking: Any) -> Scenario:
    """A job booked at 08:00 (in Delhi unless said) and assigned to p1 at 09:00."""
    return Scenario().booked(**booking).assigned(group=group)


def here(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """The partner claims at 10:00, seen 100 m from the site."""
    return begun(group=group, **booking).report("10:00").ticket("10:00", by=by, reason=reason)


def away(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """The partner claims at 10:00, seen 2 km from the site."""
    return begun(group=group, **booking).report("10:00", 2000).ticket("10:00", by=by, reason=reason)


def unseen(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """The partner claims at 10:00 and nothing is known of the whereabouts."""
    return begun(group=group, **booking).ticket("10:00", by=by, reason=reason)


def proven(case: Scenario) -> Scenario:
    """An image at 10:05 and the verdict `genuine` at 11:00."""
    return case.image("10:05").validated("11:00")


def refuted(case: Scenario) -> Scenario:
    """The verdict `not_genuine` at 11:00."""
    return case.validated("11:00", "not_genuine")


def struck(case: Scenario, at: str = "12:00") -> Scenario:
    """The customer cancelled and it was marked against the partner."""
    return case.cancelled(at, "customer", reason="incorrect_service_booked", marked="partner")


def dropped(case: Scenario, at: str = "12:00") -> Scenario:
    """The customer cancelled and nobody was marked."""
    return case.cancelled(at, "customer", reason="incorrect_service_booked", marked="none")


def quit_job(case: Scenario, at: str = "12:00", *, reason: str = "cant_deliver", marked: str = "partner") -> Scenario:
    """The partner cancelled."""
    return case.cancelled(at, "partner", reason=reason, marked=marked)


def declined(case: Scenario, at: str = "11:00") -> Scenario:
    """The customer refuses to cancel."""
    return case.call(at, "refuses_cancel", "customer")


def offices(**more: Any) -> dict[str, Any]:
    """Return a booking on route `commercial`."""
    return {"city": "Jaipur", "premises": "commercial"} | more
