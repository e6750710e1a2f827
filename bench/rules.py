"""The product's rules without its runtime: both agents over dictionaries, for loops that keep nothing."""

from __future__ import annotations

from collections.abc import Iterator

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.sops.catalogue import POLICIES
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import LocationReported
from schemas.outputs import AlertMessage, DecisionMessage, OutputMessage
from schemas.policy.model import PolicySet
from schemas.topics import Topics

FACTS_MAX = 1000


class Rules:
    """All cases and partners of one process."""

    def __init__(self, topics: Topics) -> None:
        """Take the topic names."""
        policies: PolicySet = POLICIES.load_all(())
        self._topics = topics
        self._limits = Limits()
        self._cases = CaseAgent(policies, facts_max=FACTS_MAX)
        self._locations = LocationAgent(policies)
        self._touched: set[str] = set()
        self._partners: set[str] = set()

    def take(self, value: bytes, timestamp_ms: int) -> None:
        """Take one event in; what cannot be accepted is passed over."""
        try:
            event = decode_record(value, None, self._limits, timestamp_ms * 1000)
        except InvalidMessage:
            return
        if isinstance(event.data, LocationReported):
            self._locations.receive(event)
            self._partners.add(event.subject)
        elif self._cases.receive(event) == "applied":
            self._touched.add(event.subject)

    def evaluate(self, now: int) -> list[tuple[str, str, OutputMessage]]:
        """Decide what was touched as of an instant (microseconds); return topic, key and message of each."""
        return list(self._said(now))

    def _said(self, now: int) -> Iterator[tuple[str, str, OutputMessage]]:
        for case_id in self._touched:
            for moment in self._cases.new_presence_queries(case_id):
                self._locations.query(moment)
                self._partners.add(moment.partner_id)
        for partner_id in self._partners:
            for reading in self._locations.new_answers(partner_id, {}):
                if self._cases.apply_answer(reading):
                    self._touched.add(reading.query.case_id)
            for alert in self._locations.new_alerts(partner_id):
                yield self._topics.alerts, partner_id, alert
        for case_id in self._touched:
            for message in self._cases.decide(case_id, now).messages:
                yield self._topic(message), case_id, message
        self._touched.clear()
        self._partners.clear()

    def _topic(self, message: OutputMessage) -> str:
        if isinstance(message, DecisionMessage):
            return self._topics.decision(message.body.kind)
        return self._topics.alerts if isinstance(message, AlertMessage) else self._topics.actions
