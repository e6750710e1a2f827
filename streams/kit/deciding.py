"""Decides events in their order of arrival, as a worker does, so that late ones lead to revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.sops.catalogue import POLICIES
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.outputs import OutputMessage
from schemas.timestamps import DAY_US
from streams.kit.scenario import Arrival
from streams.runtime.timers import TimerQueue

FACTS_MAX: Final = 1000
AFTERWARDS_US: Final = 30 * DAY_US
"""How long after the last event deadlines are still waited for."""


class Emitted(NamedTuple):
    """A message, and the instant (microseconds) at which it is emitted."""

    at: int
    message: OutputMessage


def decide(events: Iterable[Arrival]) -> Iterator[Emitted]:
    """Yield the messages that events lead to, given in the order in which they arrive."""
    return _Desk().run(events)


class _Desk:
    """Both agents and the deadlines of their cases."""

    def __init__(self) -> None:
        policies = POLICIES.load_all(())
        self._cases = CaseAgent(policies, facts_max=FACTS_MAX)
        self._locations = LocationAgent(policies)
        self._timers = TimerQueue()
        self._case_ids: set[str] = set()

    def run(self, arriving: Iterable[Arrival]) -> Iterator[Emitted]:
        now = 0
        for now, together in groupby(arriving, attrgetter("at")):
            yield from self._pass_deadlines(now - 1)
            for each in together:
                self._receive(each.event)
            yield from self._decide(now)
        yield from self._pass_deadlines(now + AFTERWARDS_US)

    def _receive(self, event: AnyEvent) -> None:
        if event.type == LOCATION_REPORT:
            self._locations.receive(event)
            return
        self._cases.receive(event)
        self._case_ids.add(event.subject)
        for query in self._cases.new_presence_queries(event.subject):
            self._locations.query(query)

    def _pass_deadlines(self, until: int) -> Iterator[Emitted]:
        while (due := self._timers.next()) is not None and due <= until:
            self._case_ids.update(self._timers.due(due))
            yield from self._decide(due)

    def _decide(self, now: int) -> Iterator[Emitted]:
        for partner_id in sorted(self._locations.tracks):
            for answer in self._locations.new_answers(partner_id, {}):
                if self._cases.apply_answer(answer):
                    self._case_ids.add(answer.query.case_id)
        for case_id in sorted(self._case_ids):
            decided = self._cases.decide(case_id, now)
            self._timers.set(case_id, decided.next_deadline)
            yield from (Emitted(now, message) for message in decided.messages)
        self._case_ids.clear()
