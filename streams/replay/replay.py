"""Replays recorded events through the agents, in event-time order, by a virtual clock (contracts, "The command line").

The same agents as live, with nothing between them: of one instant first all facts and reports, then the answers, then
the deadlines, then one decision for each case concerned. So the outcome depends on the set of events alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.events import AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy import PolicySet
from streams.casework.intake import is_report
from streams.wakes import Wakes


class Told(NamedTuple):
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

    def __init__(self, policies: PolicySet, *, facts_per_case_max: int) -> None:
        """Take the policies in force, and how many facts a case may hold."""
        self.cases = CaseAgent(policies, facts_max=facts_per_case_max)
        self.refused: list[AnyEvent] = []
        """Events one too many for their case."""
        self._locations = LocationAgent(policies)
        self._wakes = Wakes()

    def run(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[OutputMessage]:
        """Yield every message of `told`."""
        return (each.message for each in self.told(events, until))

    def told(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[Told]:
        """Yield every message, in the order of the instants (microseconds) at which it is due to be said.

        Takes the accepted events, each once, in any order; those after `until` (default: the last event's time) are not
        known, deadlines due at it have passed.
        """
        ordered = sorted(events, key=lambda event: event.order)
        if until is None:
            until = ordered[-1].time if ordered else 0
        at, due = 0, self._wakes.next()
        while True:
            now = ordered[at].time if at < len(ordered) else due
            if due is not None and now is not None and due < now:
                now = due
            if now is None or now > until:
                return
            touched: set[str] = set()
            partners: set[str] = set()
            while at < len(ordered) and ordered[at].time == now:
                self._receive(ordered[at], touched, partners)
                at += 1
            if touched or partners or now == due:
                yield from self._conclude(now, touched, partners)
                due = self._wakes.next()

    def _receive(self, event: AnyEvent, touched: set[str], partners: set[str]) -> None:
        if is_report(event):
            self._locations.receive(event)
            if self._locations.has_news(event.subject):
                partners.add(event.subject)
        elif self.cases.receive(event) == "applied":
            touched.add(event.subject)
        else:
            self.refused.append(event)

    def _conclude(self, now: int, touched: set[str], partners: set[str]) -> Iterator[Told]:
        for case_id in sorted(touched):
            for moment in self.cases.questions(case_id):
                self._locations.ask(moment)
                partners.add(moment.partner_id)
        for partner_id in sorted(partners):
            for reading in self._locations.answers(partner_id, {}):
                if self.cases.hear(reading):
                    touched.add(reading.moment.case_id)
        touched.update(self._wakes.due(now))
        for case_id in sorted(touched):
            decided = self.cases.decide(case_id, now)
            self._wakes.set(case_id, decided.next_deadline)
            for number, message in enumerate(decided.messages):
                yield Told(now, False, case_id, number, message)
        for partner_id in sorted(partners):
            for number, alert in enumerate(self._locations.alerts(partner_id)):
                yield Told(now, True, partner_id, number, alert)
