"""What earlier owners emitted since the checkpoint, read back from Kafka (runtime.md, "Delivery guarantees")."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agents.anomaly_agent import AnomalyAgent
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.errors import InvalidMessage
from schemas.outputs import AlertMessage, OutputMessage
from schemas.topics import Topics
from streams.processor.deduplication import DeadLetterIndex
from streams.processor.subject import alert_subject
from streams.runtime.positions import parse_inputs


class EmittedOutputs:
    """The messages, the alerts of partners and watches, and the dead letters that were read back."""

    def __init__(self, topics: Topics) -> None:
        self.messages: dict[str, list[OutputMessage]] = {}
        """Decisions, actions and alerts by case id, those of one topic in their order."""
        self.alert_ids: set[str] = set()
        """Ids of alerts about partners."""
        self.watch_alerts: dict[str, list[AlertMessage]] = {}
        """Alerts of watches, by watch, in their order."""
        self.dead_letters = DeadLetterIndex()
        self._dead_letter_topic = topics.dead_letters

    def add(self, topic: str, value: bytes, recreated: Collection[str] = ()) -> Mapping[str, int]:
        """Add a record; return the input positions at which it was decided, empty if it names none.

        Dead letters that name one of the `recreated` topics are ignored: their records are gone.
        Raises `InvalidMessage` for a record that no worker wrote.
        """
        if topic == self._dead_letter_topic:
            refused = decode_dead_letter(value)
            if refused.topic not in recreated:
                self.dead_letters.add((refused.topic, refused.partition, refused.offset), refused.reason)
            return {}
        message = catalogue.decode_message(value)
        try:
            positions = parse_inputs(message.inputs or "")
        except ValueError:
            raise InvalidMessage("inputs: no positions") from None
        if not isinstance(message, AlertMessage):
            self.messages.setdefault(message.body.case_id, []).append(message)
            return positions
        kind, id_ = alert_subject(message)
        match kind:
            case "case":
                self.messages.setdefault(id_, []).append(message)
            case "watch":
                self.watch_alerts.setdefault(id_, []).append(message)
            case _:
                self.alert_ids.add(message.alert_id)
        return positions

    def restore(self, cases: CaseAgent, locations: LocationAgent, anomalies: AnomalyAgent) -> None:
        """Apply what was read back to the agents, which have its cases and watches, and forget it."""
        for case_id, messages in self.messages.items():
            for message in messages:
                cases.restore_emitted(case_id, message)
        locations.emitted_alert_ids |= self.alert_ids
        for alerts in self.watch_alerts.values():
            for alert in alerts:
                anomalies.restore_emitted(alert)
        self.messages.clear()
        self.watch_alerts.clear()
