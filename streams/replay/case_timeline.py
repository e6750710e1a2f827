"""Replays one case and collects its timeline: facts, presence answers, decisions, actions and alerts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from agents.case_agent import CaseAgent
from agents.presence.queries import PresenceAnswer
from agents.sops.evaluate import explain_decisions
from agents.sops.explained import ExplainedDecision
from schemas.events import LOCATION_REPORT, AnyEvent, Site
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DecisionMessage
from schemas.policy.model import PolicySet
from streams.replay.deduplicate import Deduplicated, RefusedRecord
from streams.replay.input_record import InputRecord
from streams.replay.replay import Emission, Replay, last_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTimeline:
    """Everything about a case as of `until` (microseconds)."""

    case_id: str
    until: int
    policy: str
    facts: tuple[AnyEvent, ...]
    report_counts: Counter[str]
    """The number of location reports of each partner that the facts name."""
    site: Site | None
    """The site of the job, from the latest booking."""
    answers: tuple[PresenceAnswer, ...]
    emissions: tuple[Emission, ...]
    ahead: tuple[Emission, ...]
    """What its deadlines after `until` lead to if no other fact comes, as far as it was asked for."""
    explained: tuple[ExplainedDecision, ...]
    """How the decisions at the end follow from the rows of their tables."""
    refused: tuple[RefusedRecord, ...]
    """Refused records that name the case; they are not part of the timeline."""

    @property
    def decisions(self) -> list[AnyDecision]:
        """The last revision of every decision at the end, by decision key."""
        messages = [each.message for each in self.emissions]
        latest = {message.decision_key: message for message in messages if isinstance(message, DecisionMessage)}
        return [latest[key] for key in sorted(latest)]

    @property
    def open_actions(self) -> list[ActionMessage]:
        """The actions that are still open at the end."""
        messages = [each.message for each in self.emissions]
        latest = {message.action_id: message for message in messages if isinstance(message, ActionMessage)}
        return [message for message in latest.values() if message.body.state == "open"]

    @property
    def firing_alerts(self) -> list[AlertMessage]:
        """The alerts that are still firing at the end."""
        messages = [each.message for each in self.emissions]
        latest = {message.alert_id: message for message in messages if isinstance(message, AlertMessage)}
        firing = (message for message in latest.values() if message.body.state == "firing")
        return [each for each in firing if each.body.ends_at is None or each.body.ends_at > self.until]


def case_timeline(
    case_id: str, unique: Deduplicated, policies: PolicySet, *, until: int | None, ahead_us: int = 0
) -> CaseTimeline | None:
    """Return the timeline of a case from the events of any cases, None if they include no fact of this one.

    The clock ends at `until` (microseconds; default: the time of the last event of any case). For `ahead_us` more it
    looks ahead.
    """
    end = last_instant(unique.events) if until is None else until
    known = [event for event in unique.events if event.time <= end]
    facts = sorted(
        (event for event in known if event.subject == case_id and event.type != LOCATION_REPORT),
        key=lambda event: event.order,
    )
    if not facts:
        return None
    partners = {getattr(fact.data, "partner_id", None) for fact in facts}
    reports = [event for event in known if event.type == LOCATION_REPORT and event.subject in partners]
    replay = Replay(policies)
    steps = replay.steps([*facts, *reports], end + ahead_us)
    emissions = tuple(step for step in steps if isinstance(step, Emission))
    case = replay.cases.case(case_id)
    policy = policies.at(case.view.begins_at)
    answers = [case.answers[key] for key in case.queries if key in case.answers]
    return CaseTimeline(
        case_id=case_id,
        until=end,
        policy=policy.name,
        facts=tuple(facts),
        report_counts=Counter(report.subject for report in reports),
        site=case.view.booking.data.site if case.view.booking else None,
        answers=tuple(sorted(answers, key=lambda answer: (answer.query.time, answer.query.key))),
        emissions=tuple(each for each in emissions if each.at <= end),
        ahead=tuple(each for each in emissions if each.at > end),
        explained=explain_decisions(case.view, case.answers, policy, end),
        refused=tuple(each for each in unique.refused if case_id in _subjects(each.record)),
    )


def explained_from(
    facts: Iterable[AnyEvent], timeline: CaseTimeline, policies: PolicySet, until: int
) -> tuple[ExplainedDecision, ...]:
    """Return how decisions follow, at an instant (microseconds), from some of a timeline's facts and its answers."""
    agent = CaseAgent(policies, facts_max=sys.maxsize)
    for fact in facts:
        agent.receive(fact)
    view = agent.case(timeline.case_id).view
    answers = {each.query.key: each for each in timeline.answers}
    return explain_decisions(view, answers, policies.at(view.begins_at), until)


def _subjects(record: InputRecord) -> Iterator[str]:
    """Yield the subjects that a refused record may have: its key, and the subject in its value if that is readable."""
    yield (record.key or b"").decode(errors="replace")
    try:
        yield _subject.decode(record.value or b"").subject
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


class _Subject(Struct):
    subject: str


_subject: Final = msgspec.json.Decoder(_Subject)
