"""Replays recorded events through the agents in event-time order, on a virtual clock (contracts.md, "Command line").

At each instant the agents first receive all facts and location reports, then exchange presence answers, then handle
deadlines, then decide each affected case once. So the output depends only on the set of events.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy.model import PolicySet
from streams.replay.look_ahead import LookAhead
from streams.runtime.timers import TimerQueue


class Emission(NamedTuple):
    """An output message and its sort key: (`at`, `is_of_partner`, `subject`, `number`)."""

    at: int
    """The instant at which the message is due, in microseconds."""
    is_of_partner: bool
    """At one instant, messages about cases come before messages about partners."""
    subject: str
    number: int
    """Position among the messages of this subject at this instant."""
    message: OutputMessage


class Replay:
    """One run over deduplicated events, under the given policies."""

    def __init__(self, policies: PolicySet) -> None:
        self.cases = CaseAgent(policies, facts_max=sys.maxsize)  # deduplication has already enforced the limit
        self._locations = LocationAgent(policies)
        self._timers = TimerQueue()

    def run(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[OutputMessage]:
        """Yield the messages of `emissions`."""
        return (each.message for each in self.emissions(events, until))

    def emissions(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[Emission]:
        """Yield every message in the order in which it is due.

        `events` are accepted events, each once, in any order. The clock ends at `until` (microseconds; default: with
        the last event): later events are ignored, deadlines due at `until` have passed.
        """
        if until is None:
            until = max((event.time for event in events), default=0)
        facts = sorted((event for event in events if event.type != LOCATION_REPORT), key=lambda event: event.order)
        reports = (event for event in events if event.type == LOCATION_REPORT)
        look_ahead = LookAhead(self._locations, reports, _query_times(facts), until)
        at = 0
        while True:
            instants = (facts[at].time if at < len(facts) else None, self._timers.next(), look_ahead.next())
            now = min((instant for instant in instants if instant is not None), default=None)
            if now is None or now > until:
                return
            case_ids: set[str] = set()
            while at < len(facts) and facts[at].time == now:
                self.cases.receive(facts[at])
                case_ids.add(facts[at].subject)
                at += 1
            paused = look_ahead.paused_at(now)
            yield from self._evaluate(now, case_ids, {*paused})
            look_ahead.resume(paused, now)

    def _evaluate(self, now: int, case_ids: set[str], partner_ids: set[str]) -> Iterator[Emission]:
        """Yield what the cases with new facts and the partners with new reports lead to at one instant."""
        for case_id in sorted(case_ids):
            for query in self.cases.new_presence_queries(case_id):
                self._locations.query(query)
                partner_ids.add(query.partner_id)
        for partner_id in sorted(partner_ids):
            for answer in self._locations.new_answers(partner_id, {}):
                if self.cases.apply_answer(answer):
                    case_ids.add(answer.query.case_id)
        case_ids.update(self._timers.due(now))
        for case_id in sorted(case_ids):
            decided = self.cases.decide(case_id, now)
            self._timers.set(case_id, decided.next_deadline)
            for number, message in enumerate(decided.messages):
                yield Emission(now, False, case_id, number, message)
        for partner_id in sorted(partner_ids):
            for number, alert in enumerate(self._locations.new_alerts(partner_id)):
                yield Emission(now, True, partner_id, number, alert)


def _query_times(facts: Iterable[AnyEvent]) -> dict[str, set[int]]:
    """Return for each partner the times of all facts of the cases that name the partner.

    Only at these instants can a case query the partner's presence.
    """
    times: dict[str, set[int]] = {}
    named: dict[str, set[str]] = {}
    for fact in facts:
        times.setdefault(fact.subject, set()).add(fact.time)
        partner = getattr(fact.data, "partner_id", None)
        if partner is not None:
            named.setdefault(partner, set()).add(fact.subject)
    return {partner: set().union(*map(times.__getitem__, cases)) for partner, cases in named.items()}
