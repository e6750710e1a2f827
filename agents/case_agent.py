"""The case agent: collects the facts and presence answers of cases, and emits what they change.

A pure state machine over the cases it holds. Its caller (worker, replay, simulation) feeds it, chooses when to decide a
case, and delivers its messages.
"""

from __future__ import annotations

from functools import partial

from msgspec import Struct, structs

from agents.anomalies.contributions import contributions
from agents.anomalies.messages import Contribution
from agents.case.case import AddFactResult, Case
from agents.case.reconcile import Circumstances, reconcile
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.sops.decision_alerts import decision_flip
from agents.sops.evaluate import case_presence_queries, evaluate
from agents.sops.explanation import explain
from agents.sops.keys import decision_key, published_key
from schemas.events import AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy.model import PolicySet


class CaseUpdate(Struct, frozen=True):
    """The messages that a case emits, and the instant (microseconds) at which it can change without a new fact."""

    messages: list[OutputMessage]
    next_deadline: int | None


class CaseErasure(Struct, frozen=True):
    """What others are told when a case is erased: the queries that had its site, without it, and what it takes back."""

    queries: list[PresenceQuery]
    contributions: list[Contribution]


class CaseAgent:
    """The cases of one partition, by id; a case holds at most `facts_max` facts."""

    def __init__(self, policies: PolicySet, *, facts_max: int) -> None:
        self.cases: dict[str, Case] = {}
        self._policies = policies
        self._facts_max = facts_max

    def use(self, policies: PolicySet) -> None:
        """Decide under these policies from now on; queries and contributions are made again for all cases."""
        self._policies = policies
        for case in self.cases.values():
            case.queried_view = case.contributed_view = None

    def case(self, case_id: str) -> Case:
        """Return a case, an empty one if it is not known."""
        case = self.cases.get(case_id)
        if case is None:
            case = self.cases[case_id] = Case(case_id)
        return case

    def receive(self, event: AnyEvent) -> AddFactResult:
        """Add a fact to its case; the caller takes notice of erasures, which are no facts."""
        return self.case(event.subject).add_fact(event, self._facts_max)

    def erase(self, case_id: str) -> CaseErasure | None:
        """Have a case depart as it is; return what others are told, None if it had departed before.

        Nothing that was emitted about it is taken back (surfaces.md, "Erasure").
        """
        case = self.case(case_id)
        if case.is_departed:
            return None
        begins_at = case.view.begins_at or 0
        erasure = CaseErasure(
            [structs.replace(each, site=None, stay=False) for each in case.queries.values() if each.site is not None],
            [Contribution(watch, case_id, begins_at) for watch in sorted(case.contributed)],
        )
        case.depart()
        return erasure

    def reopen(self, former: Case) -> bool:
        """Take a former state of a case into account; return False if it is not what a departed case had at the end.

        See surfaces.md, "Retention".
        """
        return self.case(former.case_id).reopen(former)

    def apply_answer(self, answer: PresenceAnswer) -> bool:
        """Store a presence answer in its case; return whether it changes what is known."""
        return self.case(answer.query.case_id).apply_answer(answer)

    def new_presence_queries(self, case_id: str) -> tuple[PresenceQuery, ...]:
        """Return the presence queries of a case that are new or changed since the last call."""
        case = self.case(case_id)
        new: tuple[PresenceQuery, ...] = ()
        if case.queried_view is not case.view:
            policy = self._policies.at(case.view.begins_at)
            current = {query.key: query for query in case_presence_queries(case.view, policy)}
            new = tuple(query for key, query in current.items() if case.queries.get(key) != query)
            case.queries, case.queried_view = current, case.view
        case.drop_empty_answers()
        return new

    def new_contributions(self, case_id: str) -> list[Contribution]:
        """Return what a case contributes to watches, where that is new or changed since the last call."""
        case = self.case(case_id)
        if case.contributed_view is case.view:
            return []
        case.contributed_view = case.view
        current = contributions(case.view, self._policies)
        begins_at = case.view.begins_at or 0
        current |= {each: Contribution(each, case_id, begins_at) for each in case.contributed.keys() - current.keys()}
        digests = {watch: each.digest for watch, each in current.items()}
        new = [each for watch, each in sorted(current.items()) if case.contributed.get(watch) != digests[watch]]
        case.contributed = digests
        return new

    def answer_wait(self, case_id: str) -> int:
        """Return how long a case waits for a presence answer, in microseconds."""
        return self._policies.at(self.case(case_id).view.begins_at).presence.reading_wait

    def settled_at(self, case_id: str) -> int | None:
        """Return the time (microseconds) of the latest fact of a settled case, or None if the case is not settled.

        Settled: the job has ended, nothing emitted is open and no presence answer is on its way. The caller checks that
        no deadline is ahead (surfaces.md, "Retention").
        """
        case = self.case(case_id)
        view = case.view
        if not view.facts or view.job_open or case.emitted.is_open or case.awaits_answer():
            return None
        return view.facts[-1].time

    def restore_emitted(self, case_id: str, message: OutputMessage) -> None:
        """Record a message that a previous owner of the case emitted."""
        self.case(case_id).emitted.record(message, decision_key)

    def decide(self, case_id: str, now: int, inputs: str | None = None) -> CaseUpdate:
        """Decide a case as of an instant (microseconds) and return what changed.

        An instant before that of an earlier call is replaced by the earlier call's. The messages are recorded as
        emitted, so a caller that cannot deliver them must not continue.
        """
        case = self.case(case_id)
        case.decided_at = max(case.decided_at, now)
        policy = self._policies.at(case.view.begins_at)
        evaluation = evaluate(case.view, case.answers, policy, case.decided_at)
        flip_alert = partial(decision_flip, view=case.view, policy=policy)
        messages = reconcile(
            case_id,
            evaluation,
            case.emitted,
            Circumstances(policy.name, case.decided_at, inputs),
            decision_key=decision_key,
            published_key=published_key,
            explain=explain,
            flip_alert=flip_alert,
        )
        for message in messages:
            case.emitted.record(message, decision_key)
        return CaseUpdate(messages, evaluation.next_deadline)
