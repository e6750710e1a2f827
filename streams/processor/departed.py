"""What comes for departed cases, which may yet be reopened (surfaces.md, "Retention").

The topics of a fact and of a reopened case are read in any order, above all by a new owner that reads again what the
last one had read. So a fact for a departed case waits for the next evaluation, and is refused only then. While a new
owner catches up, nothing is evaluated.
"""

from __future__ import annotations

from agents.case.case import Case
from agents.case_agent import CaseAgent
from schemas.errors import Fatal
from schemas.outputs import OutputMessage
from streams.processor.decoder import DecodedRecord
from streams.processor.retention import Retention
from streams.processor.subject import case_name


class DepartedCases:
    """The facts and emitted messages of departed cases that were read since the last evaluation."""

    def __init__(self, cases: CaseAgent, retention: Retention) -> None:
        self._cases, self._retention = cases, retention
        self._facts: list[DecodedRecord] = []
        self._emitted: dict[str, list[OutputMessage]] = {}
        """What the last owner emitted after it had reopened a case, by case id."""

    def hold_fact(self, decoded: DecodedRecord) -> None:
        """Keep a fact of a departed case until the next evaluation."""
        self._facts.append(decoded)

    def hold_emitted(self, case_id: str, messages: list[OutputMessage]) -> None:
        """Keep what the last owner emitted about a case that had departed in the checkpoint."""
        self._emitted.setdefault(case_id, []).extend(messages)

    def reopen(self, former: Case) -> list[DecodedRecord] | None:
        """Reopen a case; return the facts that came for it, None if its former state is not its last one."""
        case_id, had_departed = former.case_id, self._cases.case(former.case_id).is_departed
        if not self._cases.reopen(former):
            return None
        self._retention.reopen_case(case_id, had_departed=had_departed)
        for message in self._emitted.pop(case_id, ()):
            self._cases.restore_emitted(case_id, message)
        facts = [each for each in self._facts if each.subject == case_id]
        self._facts = [each for each in self._facts if each.subject != case_id]
        return facts

    def give_up(self) -> list[DecodedRecord]:
        """Return the facts whose cases were not reopened, and forget them.

        Raises `Fatal` if such a case was decided after the checkpoint in which it had departed.
        """
        if self._emitted:
            raise Fatal(
                f"{case_name(min(self._emitted))}: decided after the checkpoint in which it had departed: "
                "Redis went back to an old checkpoint; empty it, and the state is rebuilt from Kafka"
            )
        facts, self._facts = self._facts, []
        return facts
