"""Replays recorded events through the agents, in event-time order, by a virtual clock (contracts, "The command line").

The same agents as live, with nothing between them: of one instant first all facts and reports, then the answers, then
the deadlines, then one decision for each case concerned. So the outcome depends on the set of events alone.
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
    """A message, and what orders it among all of a replay: when it is said, of whom, and its number among those."""

    at: int
    """The instant, in microseconds."""
    is_of_partner: bool
    """At one instant what is said of cases comes first."""
    subject: str
    number: int
    message: OutputMessage


class Replay:
    """One run over a settled input."""

    def __init__(self, policies: PolicySet) -> None:
        """Take the policies in force."""
        self.cases = CaseAgent(policies, facts_max=sys.maxsize)  # what is one too many was refused when settled
        self._locations = LocationAgent(policies)
        self._timers = TimerQueue()

    def run(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[OutputMessage]:
        """Yield every message of `told`."""
        return (each.message for each in self.told(events, until))

    def told(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[Emission]:
        """Yield every message, in the order of the instants (microseconds) at which it is due to be said.

        Takes the accepted events, each once, in any order; those after `until` (default: the last event's time) are not
        known, deadlines due at it have passed.
        """
        if until is None:
            until = max((event.time for event in events), default=0)
        facts = sorted((event for event in events if event.type != LOCATION_REPORT), key=lambda event: event.order)
        reports = (event for event in events if event.type == LOCATION_REPORT)
        ahead = LookAhead(self._locations, reports, _asked_at(facts), until)
        at = 0
        while True:
            instants = (facts[at].time if at < len(facts) else None, self._timers.next(), ahead.next())
            now = min((instant for instant in instants if instant is not None), default=None)
            if now is None or now > until:
                return
            touched: set[str] = set()
            while at < len(facts) and facts[at].time == now:
                self.cases.receive(facts[at])
                touched.add(facts[at].subject)
                at += 1
            stopped = ahead.stopped(now)
            yield from self._evaluate(now, touched, {*stopped})
            ahead.go_on(stopped, now)

    def _evaluate(self, now: int, touched: set[str], partners: set[str]) -> Iterator[Emission]:
        for case_id in sorted(touched):
            for query in self.cases.new_presence_queries(case_id):
                self._locations.query(query)
                partners.add(query.partner_id)
        for partner_id in sorted(partners):
            for answer in self._locations.new_answers(partner_id, {}):
                if self.cases.apply_answer(answer):
                    touched.add(answer.query.case_id)
        touched.update(self._timers.due(now))
        for case_id in sorted(touched):
            decided = self.cases.decide(case_id, now)
            self._timers.set(case_id, decided.next_deadline)
            for number, message in enumerate(decided.messages):
                yield Emission(now, False, case_id, number, message)
        for partner_id in sorted(partners):
            for number, alert in enumerate(self._locations.new_alerts(partner_id)):
                yield Emission(now, True, partner_id, number, alert)


def _asked_at(facts: Iterable[AnyEvent]) -> dict[str, set[int]]:
    """Return for each partner the instants at which a case may ask: those of all facts of the cases that name it."""
    times: dict[str, set[int]] = {}
    named: dict[str, set[str]] = {}
    for fact in facts:
        times.setdefault(fact.subject, set()).add(fact.time)
        partner = getattr(fact.data, "partner_id", None)
        if partner is not None:
            named.setdefault(partner, set()).add(fact.subject)
    return {partner: set().union(*map(times.__getitem__, cases)) for partner, cases in named.items()}
