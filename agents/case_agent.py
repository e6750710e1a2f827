"""The case agent: takes facts and readings in, asks about moments, and says what changed.

A pure state machine over the cases it holds; whoever runs it (worker, replay, simulation) feeds it, decides when a
case is due, and carries its messages out.
"""

from __future__ import annotations

from msgspec import Struct

from agents.case.case import AddFactResult, Case
from agents.case.reconcile import reconcile
from agents.decide import decide
from agents.presence.presence import presence_queries
from agents.presence.queries import PresenceAnswer, PresenceQuery, presence_rules
from agents.sop.alerts import place_labels
from schemas.events import AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy.model import PolicySet


class CaseUpdate(Struct, frozen=True):
    """What a case had to say, and the instant (microseconds) at which it may have more without a new fact."""

    messages: list[OutputMessage]
    next_deadline: int | None


class CaseAgent:
    """The cases of one partition, by id."""

    def __init__(self, policies: PolicySet, *, facts_max: int) -> None:
        """Take the policies, and how many facts a case may hold at most."""
        self.cases: dict[str, Case] = {}
        self._policies = policies
        self._facts_max = facts_max

    def case(self, case_id: str) -> Case:
        """Return a case, begun if nothing was known of it."""
        case = self.cases.get(case_id)
        if case is None:
            case = self.cases[case_id] = Case(case_id)
        return case

    def receive(self, event: AnyEvent) -> AddFactResult:
        """Add a fact to its case."""
        return self.case(event.subject).add_fact(event, self._facts_max)

    def apply_answer(self, answer: PresenceAnswer) -> bool:
        """Take the location agent's answer; say whether it tells anything new."""
        return self.case(answer.query.case_id).apply_answer(answer)

    def new_presence_queries(self, case_id: str) -> tuple[PresenceQuery, ...]:
        """Return the moments of a case not asked about yet as they stand now, and take them as asked."""
        case = self.case(case_id)
        new: tuple[PresenceQuery, ...] = ()
        if case.queried_view is not case.view:
            policy = self._policies.at(case.view.begins_at)
            current = {query.key: query for query in presence_queries(case.view, presence_rules(policy))}
            new = tuple(query for key, query in current.items() if case.queries.get(key) != query)
            case.queries, case.queried_view = current, case.view
        case.drop_empty_answers()
        return new

    def settled_at(self, case_id: str) -> int | None:
        """Return the instant (microseconds) of the latest fact of a case about which nothing is open any more.

        None where a job is neither closed nor cancelled, a decision provisional, an action open, a condition firing, or
        an answer on its way (surfaces, 4.9), and where no fact has come yet. Deadlines are told by `decide`.
        """
        case = self.case(case_id)
        view = case.view
        if not view.facts or view.job_open or case.emitted.is_open or case.awaits_answer():
            return None
        return view.facts[-1].time

    def decide(self, case_id: str, now: int, inputs: str | None = None) -> CaseUpdate:
        """Decide a case as of an instant (microseconds; never before the last one) and return what has changed.

        The messages are taken as sent: who cannot send them must not go on.
        """
        case = self.case(case_id)
        case.decided_at = max(case.decided_at, now)
        policy = self._policies.at(case.view.begins_at)
        verdict = decide(case.view, case.answers, policy, case.decided_at)
        messages = reconcile(case_id, verdict, case.emitted, policy, place_labels(case.view, policy), inputs)
        for message in messages:
            case.emitted.record(message)
        return CaseUpdate(messages, verdict.next_deadline)
