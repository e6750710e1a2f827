"""The product's rules without its runtime: both agents in memory, for loops that store nothing."""

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
        policies: PolicySet = POLICIES.load_all(())
        self._topics = topics
        self._limits = Limits()
        self._cases = CaseAgent(policies, facts_max=FACTS_MAX)
        self._locations = LocationAgent(policies)
        self._case_ids: set[str] = set()
        self._partners: set[str] = set()

    def receive(self, value: bytes, timestamp_ms: int) -> None:
        """Apply one event; an event that cannot be accepted is ignored."""
        try:
            event = decode_record(value, None, self._limits, timestamp_ms * 1000)
        except InvalidMessage:
            return
        if isinstance(event.data, LocationReported):
            self._locations.receive(event)
            self._partners.add(event.subject)
        elif self._cases.receive(event) == "applied":
            self._case_ids.add(event.subject)

    def evaluate(self, now: int) -> list[tuple[str, str, OutputMessage]]:
        """Decide the changed cases as of an instant (microseconds); return topic, key and message of each output."""
        return list(self._messages(now))

    def _messages(self, now: int) -> Iterator[tuple[str, str, OutputMessage]]:
        for case_id in self._case_ids:
            for query in self._cases.new_presence_queries(case_id):
                self._locations.query(query)
                self._partners.add(query.partner_id)
        for partner_id in self._partners:
            for answer in self._locations.new_answers(partner_id, {}):
                if self._cases.apply_answer(answer):
                    self._case_ids.add(answer.query.case_id)
            for alert in self._locations.new_alerts(partner_id):
                yield self._topics.alerts, partner_id, alert
        for case_id in self._case_ids:
            for message in self._cases.decide(case_id, now).messages:
                yield self._topic(message), case_id, message
        self._case_ids.clear()
        self._partners.clear()

    def _topic(self, message: OutputMessage) -> str:
        if isinstance(message, DecisionMessage):
            return self._topics.decision(message.body.kind)
        return self._topics.alerts if isinstance(message, AlertMessage) else self._topics.actions
