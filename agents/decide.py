"""What ought to be decided about a case: both SOPs, the desk's next steps and the alerts, from facts alone."""

from __future__ import annotations

from agents.case.view import CaseView
from agents.presence.presence import PresenceAnswers, presence
from agents.presence.queries import presence_rules
from agents.sop import alerts, offline_service, offline_service_steps, out_of_scope, out_of_scope_steps
from agents.verdict import Deadlines, Evaluation
from schemas.policy.model import Policy


def decide(view: CaseView, answers: PresenceAnswers, policy: Policy, now: int) -> Evaluation:
    """Return all that ought to be decided about a case.

    Takes the case's history, the location agent's readings by moment, the policy in force, and the instant
    (microseconds) up to which deadlines have passed. A pure function: no order of arrival, no clock.
    """
    deadlines = Deadlines(now)
    rules = presence_rules(policy)
    assessments = tuple(
        out_of_scope.assess(view, engagement, presence(engagement, view, answers, rules), policy)
        for engagement in view.engagements
    )
    offline = offline_service.assess(view, policy)
    decisions = tuple(body for each in assessments for body in out_of_scope.decisions(each, deadlines))
    decisions += offline_service.decisions(offline) if offline else ()
    steps = tuple(step for each in assessments for step in out_of_scope_steps.steps(each, decisions, deadlines))
    steps += offline_service_steps.steps(offline, decisions) if offline else ()
    findings = alerts.findings(view, assessments, decisions, steps, policy, deadlines)
    sighted = (fix.time for each in assessments for fix in each.presence.fixes)
    as_of = max(deadlines.last_passed, *(fact.time for fact in view.facts[-1:]), *sighted, 0)
    return Evaluation(decisions=decisions, steps=steps, findings=findings, as_of=as_of, next_deadline=deadlines.next)
