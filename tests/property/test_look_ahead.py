"""A replay that adds reports ahead of its clock emits the same as one that goes from instant to instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hypothesis import given

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.events import AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy.model import PolicySet
from streams.processor.decoder import is_for_partner
from streams.replay.replay import Replay
from streams.runtime.timers import TimerQueue
from tests.scenario import POLICY
from tests.strategies import GeneratedCase, cases

POLICIES: Final = PolicySet((), POLICY)


def by_instants(events: Sequence[AnyEvent], until: int) -> Iterator[OutputMessage]:
    """Yield the messages of agents that receive every event at its own instant, before its deadlines."""
    case_agent, locations, timers = CaseAgent(POLICIES, facts_max=99), LocationAgent(POLICIES), TimerQueue()
    left = sorted(events, key=lambda event: event.order, reverse=True)
    while left or timers:
        now = min(at for at in (left[-1].time if left else None, timers.next()) if at is not None)
        if now > until:
            return
        case_ids, partners = set[str](), set[str]()
        while left and left[-1].time == now:
            event = left.pop()
            if is_for_partner(event):
                locations.receive(event)
                partners.add(event.subject)
            elif case_agent.receive(event) == "applied":
                case_ids.add(event.subject)
        for query in [query for case_id in sorted(case_ids) for query in case_agent.new_presence_queries(case_id)]:
            locations.query(query)
            partners.add(query.partner_id)
        answers = [answer for partner in sorted(partners) for answer in locations.new_answers(partner, {})]
        case_ids |= {answer.query.case_id for answer in answers if case_agent.apply_answer(answer)} | {*timers.due(now)}
        for case_id in sorted(case_ids):
            decided = case_agent.decide(case_id, now)
            timers.set(case_id, decided.next_deadline)
            yield from decided.messages
        for partner in sorted(partners):
            yield from locations.new_alerts(partner)


@given(cases(max_reports=25))
def test_looking_ahead_changes_nothing(case: GeneratedCase) -> None:
    events = [*case.facts, *case.reports]
    replay = Replay(POLICIES)
    assert list(replay.run(events, case.now)) == list(by_instants(events, case.now))
