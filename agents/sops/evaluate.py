"""Evaluates a case by all SOPs: what should be decided, done and alerted, and why, from its facts alone."""

from __future__ import annotations

from agents.case.cities import place_labels
from agents.case.evaluation import Deadlines, Evaluation
from agents.case.presence import (
    PresenceAnswers,
    PresenceFact,
    engagement_presence,
    presence_queries,
)
from agents.case.view import CaseView, Engagement
from agents.presence.queries import PresenceQuery, presence_rules
from agents.sops.contract import CaseContext
from agents.sops.decision_alerts import stuck_provisional
from agents.sops.explained import ExplainedDecision
from agents.sops.registry import SOPS
from schemas.policy.model import Policy


def evaluate(view: CaseView, answers: PresenceAnswers, policy: Policy, now: int) -> Evaluation:
    """Return all that should be decided about a case.

    `answers` are the location agent's, by query; `policy` is the one in force for the case; deadlines up to `now`
    (microseconds) have passed. A pure function: neither the order of arrival nor a clock matters.
    """
    deadlines = Deadlines(now)
    case = _context(view, answers, policy)
    evaluations = [sop.evaluate(case, deadlines) for sop in SOPS]
    decisions = tuple(decision for found in evaluations for decision in found.decisions)
    alerts = [alert for found in evaluations for alert in found.alerts]
    alerts += stuck_provisional((each.body for each in decisions), case.place, policy, deadlines)
    seen = (fix.time for each in case.presence for fix in each.fixes)
    return Evaluation(
        decisions=decisions,
        actions=tuple(action for found in evaluations for action in found.actions),
        alerts=tuple(alerts),
        as_of=max(deadlines.last_passed, *(fact.time for fact in view.facts[-1:]), *seen, 0),
        next_deadline=deadlines.next,
    )


def explain_decisions(
    view: CaseView, answers: PresenceAnswers, policy: Policy, now: int
) -> tuple[ExplainedDecision, ...]:
    """Return, for the same arguments as `evaluate`, how its decisions follow from the rows of their tables.

    The decisions come in the order of `evaluate`, and among them those that could be made about the same partner or
    case and are not. A pure function.
    """
    deadlines = Deadlines(now)
    case = _context(view, answers, policy)
    return tuple(explained for sop in SOPS for explained in sop.explain(case, deadlines))


def _context(view: CaseView, answers: PresenceAnswers, policy: Policy) -> CaseContext:
    rules = presence_rules(policy)
    presence = tuple(
        engagement_presence(view, each, _presence_facts(each), answers, rules) for each in view.engagements
    )
    return CaseContext(view, presence, policy, place_labels(view, policy))


def case_presence_queries(view: CaseView, policy: Policy) -> list[PresenceQuery]:
    """Return the presence queries of a case, in fact order per engagement."""
    rules = presence_rules(policy)
    return [
        query
        for engagement in view.engagements
        for query in presence_queries(view, engagement, _presence_facts(engagement), rules)
    ]


def _presence_facts(engagement: Engagement) -> list[PresenceFact]:
    """Return the facts at which any SOP needs the partner's presence, each once, in fact order."""
    facts: dict[str, PresenceFact] = {}
    for sop in SOPS:
        for each in sop.presence_facts(engagement):
            known = facts.get(each.fact.ref)
            if known is None or (each.asks_stay and not known.asks_stay):
                facts[each.fact.ref] = each
    return sorted(facts.values(), key=lambda each: each.fact.order)
