"""One engagement of a scenario, its partner seen at given distances: readings are handed in, no track is needed.

Rows give a decision as outcome with status and reasons, clauses, evidence by name (`near-t1` is the report at `t1`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agents.case.view import CaseView, Engagement, build_case_view
from agents.presence.presence import PresenceAnswers, presence, presence_queries
from agents.presence.queries import LocationFix, PresenceAnswer, presence_rules
from agents.sop.out_of_scope import Assessment, assess, decisions
from agents.verdict import Deadlines
from schemas.events import Site
from schemas.outputs import DecisionBody
from schemas.policy.model import Policy
from tests.scenario import POLICY, SOURCE, Scenario, destination, instant, names

HERE: Final = 100.0
AWAY: Final = 2000.0
HERE_AT: Final = {"t1": HERE}
AWAY_AT: Final = {"t1": AWAY}
ON: Final = "assigned booked near-t1 t1"
PROOF: Final = "t1 validated image"
COMMERCIAL: Final[Mapping[str, Any]] = {"city": "Jaipur", "premises": "commercial"}
OUT: Final = "partner_led_cancellation/out_of_scope"
CANT: Final = "partner_led_cancellation/cant_deliver"


def view_of(case: Scenario) -> CaseView:
    """Return the history of a scenario's facts."""
    return build_case_view(case.case_id, case.facts)


def engagement_of(history: CaseView, partner: str | None = "p1") -> Engagement:
    """Return a partner's engagement."""
    return next(each for each in history.engagements if each.partner_id == partner)


def place_at(metres: float) -> Site:
    """Return a place so far from the site of a scenario's bookings."""
    return Site(*destination(metres))


def readings_of(history: CaseView, seen: Mapping[str, float], policy: Policy = POLICY) -> PresenceAnswers:
    """Return an answer to every moment: `seen` has metres from the site by its fact's name, the report is `near-…`."""
    answers: dict[tuple[str, str], PresenceAnswer] = {}
    for query in presence_queries(history, presence_rules(policy)):
        name = query.fact.removeprefix(f"{SOURCE}#")
        closest = None
        if name in seen:
            closest = LocationFix(f"{SOURCE}#near-{name}", query.time, None, place_at(seen[name]))
        answers[query.key] = PresenceAnswer(query, closest, None, None)
    return answers


def assessed(
    case: Scenario,
    seen: Mapping[str, float] | None = None,
    *,
    partner: str | None = "p1",
    policy: Policy = POLICY,
) -> Assessment:
    """Return the assessment of a partner's engagement."""
    history = view_of(case)
    engagement = engagement_of(history, partner)
    answers = readings_of(history, seen or {}, policy)
    return assess(history, engagement, presence(engagement, history, answers, presence_rules(policy)), policy)


def job(*, group: str | None = None, **booking: Any) -> Scenario:
    """Booked in Delhi at 08:00 (unless said), assigned to p1 at 09:00."""
    return Scenario().booked(**booking).assigned(group=group)


def claimed(*, group: str | None = None, reason: str | None = None, by: str = "partner", **booking: Any) -> Scenario:
    """A job with an out-of-scope ticket `t1` at 10:00."""
    return job(group=group, **booking).ticket("10:00", reason=reason, by=by)


def genuine(case: Scenario) -> Scenario:
    """An image at 10:05, judged genuine at 11:00."""
    return case.image("10:05").validated("11:00")


def refused(case: Scenario) -> Scenario:
    """Judged not genuine at 11:00."""
    return case.validated("11:00", "not_genuine")


def by_customer(case: Scenario, marked: str = "none") -> Scenario:
    """Cancelled by the customer at 12:00."""
    return case.cancelled("12:00", "customer", reason="incorrect_service_booked", marked=marked)


def by_partner(case: Scenario, reason: str = "cant_deliver", marked: str = "partner") -> Scenario:
    """Cancelled by the partner at 12:00."""
    return case.cancelled("12:00", "partner", reason=reason, marked=marked)


def decided(a: Assessment, now: str = "13:00") -> dict[str, DecisionBody]:
    """Return the decisions on an engagement by kind."""
    return {body.kind: body for body in decisions(a, Deadlines(instant(now)))}


def told(body: DecisionBody | None) -> tuple[str, str, str] | None:
    """Return a decision as rows write it: outcome, status and reasons; clauses; evidence."""
    if body is None:
        return None
    ruling = " ".join((body.outcome, body.status, *body.reasons))
    return ruling, " ".join(body.clauses), " ".join(names(body.evidence))


def expected(ruling: str, clauses: str, evidence: str) -> tuple[str, str, str]:
    """Return what a row says, its evidence in any order."""
    return ruling, clauses, " ".join(sorted(set(evidence.split())))
