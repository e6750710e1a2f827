"""Evaluates what is dirty and puts what follows into the outbox: answers, decisions, alerts, messages to watches."""

from __future__ import annotations

from collections.abc import Sequence

from agents.anomaly_agent import AnomalyAgent
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.outputs import OutputMessage
from streams.processor.outbox import Outbox
from streams.processor.output_counts import OutputCounts, UnpublishedOutputs
from streams.processor.retention import Retention
from streams.processor.subject import Subjects, case_name, partner_name, watch_name
from streams.processor.tracer import Tracer
from streams.runtime.timers import TimerQueue


class Evaluator:
    """Evaluates the cases, partners and watches of one partition number, which are in memory.

    Sets their deadlines in `timers` and their expiries in `retention`; counts in `counts` what was published.
    """

    def __init__(
        self,
        cases: CaseAgent,
        locations: LocationAgent,
        anomalies: AnomalyAgent,
        *,
        outbox: Outbox,
        retention: Retention,
        timers: TimerQueue,
        counts: OutputCounts,
        tracer: Tracer | None,
    ) -> None:
        self.queries_too_late = 0
        """How many presence queries came after the reports had expired."""
        self._cases, self._locations, self._anomalies = cases, locations, anomalies
        self._outbox, self._retention, self._timers = outbox, retention, timers
        self._tracer = tracer
        self._unpublished = UnpublishedOutputs(counts)
        self._answer_deadlines: dict[str, int] = {}
        """Until when cases wait for presence answers."""

    def await_decision(self, case_id: str, timestamp: int | None) -> None:
        """Note that a record with this timestamp (microseconds; None: it has none) has changed a case."""
        self._unpublished.await_decision(case_id, timestamp)

    def erase_case(self, case_id: str, now: int) -> bool:
        """Have a case depart without a word to those who follow it; return whether it had not departed before."""
        erasure = self._cases.erase(case_id)
        if erasure is None:
            return False
        self._outbox.add_queries(erasure.queries)
        self._outbox.add_to_watches(erasure.contributions, case_name(case_id))
        self._timers.set(case_id, None)
        self._answer_deadlines.pop(case_id, None)
        self._retention.erase_case(case_id, now)
        return True

    def evaluate(self, dirty: Subjects, now: int, inputs: str, made_at: dict[str, int]) -> Subjects:
        """Answer and decide as of now (microseconds); return what need not be saved: it left the state, or had before.

        `inputs` is the extension of that name, `made_at` the next offsets of the inputs on which answers rest.
        """
        self._unpublished.clear()
        partners = {each for each in sorted(dirty.partners) if not self._evaluate_partner(each, now, inputs, made_at)}
        cases = {each for each in sorted(dirty.cases) if not self._evaluate_case(each, now, inputs)}
        watches = {each for each in sorted(dirty.watches) if not self._evaluate_watch(each, now, inputs)}
        return Subjects(cases, partners, watches)

    def mark_published(self, now: int) -> None:
        """Count what was decided, which is acknowledged by now (microseconds)."""
        self._unpublished.count(now)
        if self._tracer:
            self._tracer.published()

    def _evaluate_partner(self, partner_id: str, now: int, inputs: str, made_at: dict[str, int]) -> bool:
        """Return whether the track is still kept."""
        answers = self._locations.new_answers(partner_id, made_at)
        self.queries_too_late += sum(each.too_late for each in answers)
        self._outbox.add_answers(answers)
        self._emit(partner_name(partner_id), self._locations.new_alerts(partner_id, inputs))
        return self._retention.retain_track(partner_id, now)

    def _evaluate_case(self, case_id: str, now: int, inputs: str) -> bool:
        """Tell watches what is new and send new presence queries; decide, unless an answer is still on its way.

        Returns False for a case that has departed.
        """
        if self._cases.case(case_id).is_departed:
            self._retention.retain_departed_case(case_id, now)
            return False
        self._outbox.add_to_watches(self._cases.new_contributions(case_id), case_name(case_id))
        queries = self._cases.new_presence_queries(case_id)
        self._outbox.add_queries(queries)
        if not self._cases.case(case_id).awaits_answer():
            self._answer_deadlines.pop(case_id, None)
        elif queries or case_id not in self._answer_deadlines:
            self._answer_deadlines[case_id] = now + self._cases.answer_wait(case_id)
        if (wait_until := self._answer_deadlines.get(case_id, 0)) > now:
            self._timers.set(case_id, wait_until)
            return True
        if tracer := self._tracer:
            tracer.begin_decision(case_id)
        update = self._cases.decide(case_id, now, inputs)
        if tracer:
            tracer.end_decision(update.messages)
        self._emit(case_name(case_id), update.messages, case_id)
        self._timers.set(case_id, update.next_deadline)
        self._retention.retain_case(case_id, update, now)
        return True

    def _evaluate_watch(self, watch: str, now: int, inputs: str) -> bool:
        """Return whether the watch is still kept."""
        self._retention.depart_watch(watch)
        update = self._anomalies.evaluate(watch, now, inputs)
        self._outbox.add_to_watches(update.messages, watch_name(watch))
        self._emit(watch_name(watch), update.alerts)
        return self._retention.retain_watch(watch, now)

    def _emit(self, name: str, messages: Sequence[OutputMessage], decided_case: str | None = None) -> None:
        """Have messages of what has a name published, and counted then; those that decide a case have a delay."""
        self._outbox.add_outputs(name, messages)
        self._unpublished.add(decided_case, messages)
