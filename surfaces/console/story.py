"""Puts together what the page of a case tells: its timeline, what holds now, and what comes if nothing else happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from agents.presence.queries import LocationFix, PresenceAnswer
from agents.sops.explained import ExplainedDecision
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import LOCATION_REPORT, AnyEvent, LocationReported
from schemas.outputs import WITHDRAWN, ActionMessage, AlertMessage, AnyDecision, DecisionMessage, OutputMessage
from schemas.policy.model import DAY, PolicySet
from streams.policies.history import PolicyHistory
from streams.replay.case_timeline import CaseTimeline, case_timeline, explained_from
from streams.replay.deduplicate import Deduplicated
from streams.runtime.positions import parse_inputs
from surfaces.read_model.views import (
    CaseRecords,
    StoredAction,
    StoredAlert,
    StoredDeadLetter,
    StoredDecision,
    StoredRecord,
)

AHEAD_US: Final = 120 * DAY
"""How far the future is worked out; no deadline of the built-in policy is that far away."""

EXPLAINED_MAX: Final = 16
"""Most revisions of a case that are explained, the latest ones."""
REPLAYS_MAX: Final = 4
"""For how many of them at most location reports are replayed as they were then."""

EntryKind = Literal["fact", "presence", "decision", "action", "alert", "refused"]
_ORDER: Final = ("fact", "refused", "presence", "decision", "action", "alert")
"""Of entries at one instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event with the record that brought it; `cited_by` are the anchors of the decisions that rest on it."""

    event: AnyEvent
    record: StoredRecord
    cited_by: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A location report that an answer names: what it shows (`role`), the metres from the site, its accuracy."""

    role: str
    ref: str
    time: int
    distance_m: float | None
    accuracy_m: float | None
    place: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Where a partner was at a fact."""

    answer: PresenceAnswer
    fixes: Sequence[Fix]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A revision of a decision; `changes` are fields with their values before and now."""

    stored: StoredDecision
    anchor: str
    is_last: bool
    changes: Sequence[tuple[str, object, object]]
    evidence: Sequence[tuple[str, str]]
    """Refs of facts, and their types; empty for a fact that is not known here."""
    explained: ExplainedDecision | None
    """How it follows from its table, worked out anew from what the worker had read; None: not worked out."""

    @property
    def is_explained_otherwise(self) -> bool:
        """Whether that leads to something else: a location report may have come to the worker earlier or later."""
        return self.explained is not None and _is_otherwise(self.explained, self.stored.message)


Known: TypeAlias = Sequence[tuple[AnyEvent, StoredRecord]]
"""Events with their records."""
Content: TypeAlias = Fact | Presence | Revision | StoredAction | StoredAlert | StoredDeadLetter


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the timeline at an instant of event time (microseconds)."""

    at: int
    kind: EntryKind
    content: Content


@dataclass(frozen=True, slots=True)
class Ahead:
    """Something that is due at an instant if nothing else happens before: a message, or None for a due date."""

    at: int
    text: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the page of a case tells. `timeline` is None if no fact of the case is readable."""

    records: CaseRecords
    current: Sequence[Revision]
    open_actions: Sequence[StoredAction]
    firing: Sequence[StoredAlert]
    entries: Sequence[Entry]
    ahead: Sequence[Ahead]
    timeline: CaseTimeline | None
    radius_m: float | None
    presences: Sequence[Presence]


def story_of(records: CaseRecords, history: PolicyHistory, limits: Limits, now: int) -> Story:
    """Return the story of a case at an instant (microseconds); each revision by the policies that its worker knew."""
    known = _decoded([*records.facts, *records.reports], limits)
    events = [event for event, _ in known if event.time <= now]
    unique, policies = Deduplicated(events, [], 0), history.latest
    timeline = case_timeline(records.case_id, unique, policies, until=now, ahead_us=AHEAD_US)
    revisions = _revisions(records, known, timeline, history)
    presences = [] if timeline is None else _presences(timeline, events)
    entries = [
        *_facts(records.case_id, known, revisions),
        *(Entry(each.stored.message.body.effective_at, "decision", each) for each in revisions),
        *(Entry(each.answer.query.time, "presence", each) for each in presences),
        *(Entry(each.message.body.time, "action", each) for each in records.actions),
        *(Entry(each.message.body.time, "alert", each) for each in records.alerts),
        *(Entry(each.record.published_at, "refused", each) for each in records.dead_letters),
    ]
    return Story(
        records=records,
        current=sorted((each for each in revisions if each.is_last), key=lambda each: each.stored.message.decision_key),
        open_actions=[each for each in _last_actions(records) if each.message.body.state == "open"],
        firing=[each for each in _last_alerts(records) if _is_firing(each, now)],
        entries=sorted(entries, key=lambda entry: (entry.at, _ORDER.index(entry.kind))),
        ahead=[] if timeline is None else sorted(_ahead(records, timeline, now), key=lambda each: each.at),
        timeline=timeline,
        radius_m=None if timeline is None else policies.at(timeline.facts[0].time).presence.radius_m,
        presences=presences,
    )


def _decoded(records: Iterable[StoredRecord], limits: Limits) -> Known:
    """Return the readable events, each once, with their first record."""
    found: dict[tuple[str, str], tuple[AnyEvent, StoredRecord]] = {}
    for record in records:
        try:
            event = decode_record(record.value, record.headers, limits, None, key=record.key)
        except InvalidMessage:
            continue  # it is among the dead letters
        found.setdefault(event.identity, (event, record))
    return list(found.values())


def _facts(case_id: str, known: Known, revisions: Sequence[Revision]) -> Iterator[Entry]:
    cited: dict[str, list[tuple[str, str]]] = {}
    for each in revisions:
        message = each.stored.message
        for ref in message.body.evidence:
            cited.setdefault(ref, []).append((each.anchor, f"{message.body.kind} {message.revision}"))
    for event, record in known:
        if event.subject == case_id and event.type != LOCATION_REPORT:
            yield Entry(event.time, "fact", Fact(event=event, record=record, cited_by=cited.get(event.ref, ())))


def _revisions(
    records: CaseRecords, known: Known, timeline: CaseTimeline | None, history: PolicyHistory
) -> list[Revision]:
    """Return each revision once, with what it changes and how it follows from its table."""
    chains: dict[str, dict[str, StoredDecision]] = {}
    for each in records.decisions:
        chains.setdefault(chain_of(each.message), {}).setdefault(each.message.decision_id, each)
    unique = [each for chain in chains.values() for each in chain.values()]
    explanations: dict[str, ExplainedDecision | None] = {}
    replays = REPLAYS_MAX
    for each in sorted(unique, key=lambda each: each.record.published_at)[: -EXPLAINED_MAX - 1 : -1]:
        read_up_to = parse_inputs(each.message.inputs or "")
        events, policies = _known_then(each, known, read_up_to), history.at(read_up_to)
        found = None if timeline is None else _explained(each.message, events, timeline, policies)
        if found is not None and _is_otherwise(found, each.message) and replays:
            replays -= 1
            found = _replayed(records.case_id, each.message, events, policies) or found
        explanations[each.message.decision_id] = found
    types = {event.ref: event.type for event, _ in known}
    last = {key: max(chain.values(), key=lambda each: each.message.revision) for key, chain in chains.items()}
    return [
        Revision(
            stored=each,
            anchor=f"d-{each.message.decision_id}",
            is_last=each is last[chain_of(each.message)],
            changes=list(_changes(each.message)),
            evidence=[(ref, types.get(ref, "")) for ref in each.message.body.evidence],
            explained=explanations.get(each.message.decision_id),
        )
        for each in unique
    ]


def _known_then(decision: StoredDecision, known: Known, read_up_to: Mapping[str, int]) -> list[AnyEvent]:
    """Return the events that the worker, which had read up to some positions, knew when it made a decision."""
    return [
        event
        for event, record in known
        if record.place.offset < read_up_to.get(record.place.tp.name, record.place.offset + 1)
        and record.published_at <= decision.record.published_at
    ]


def _explained(
    message: AnyDecision, events: Sequence[AnyEvent], timeline: CaseTimeline, policies: PolicySet
) -> ExplainedDecision | None:
    """Return how a revision follows from the facts of then and from where the partner was as far as is known now."""
    facts = [event for event in events if event.subject == timeline.case_id and event.type != LOCATION_REPORT]
    return _of(message, explained_from(facts, timeline, policies, _until(message))) if facts else None


def _replayed(
    case_id: str, message: AnyDecision, events: list[AnyEvent], policies: PolicySet
) -> ExplainedDecision | None:
    """Return how a revision follows from the facts and the location reports of then, which takes longer."""
    then = case_timeline(case_id, Deduplicated(events, [], 0), policies, until=_until(message))
    return None if then is None else _of(message, then.explained)


def _until(message: AnyDecision) -> int:
    return message.body.effective_at if message.asof is None else message.asof


def _is_otherwise(explained: ExplainedDecision, message: AnyDecision) -> bool:
    return (explained.outcome or WITHDRAWN) != message.body.outcome


def _of(message: AnyDecision, explained: Iterable[ExplainedDecision]) -> ExplainedDecision | None:
    body = message.body
    for each in explained:
        if (each.kind, each.subject_of) == (body.kind, body.subject_of) and each.partner_id in {None, body.partner_id}:
            return each
    return None


def chain_of(message: AnyDecision) -> str:
    """Return what identifies a decision within its case, also in messages of version 0.1."""
    body = message.body
    return message.decision_key or f"{body.kind}|{body.subject_of}|{body.partner_id}"


def _changes(message: AnyDecision) -> Iterator[tuple[str, object, object]]:
    if message.supersedes is None:
        return
    for name in message.changed:
        if name != "evidence":
            yield name, (message.previous or {}).get(name), getattr(message.body, name, None)


def _presences(timeline: CaseTimeline, events: Iterable[AnyEvent]) -> list[Presence]:
    reports = {each.ref: each.data for each in events if isinstance(each.data, LocationReported)}
    found = []
    for answer in timeline.answers:
        roles = (("closest report", answer.closest), ("mocked report", answer.mocked), ("still there", answer.stay))
        fixes = [_fix(role, fix, answer, timeline, reports) for role, fix in roles if fix is not None]
        found.append(Presence(answer=answer, fixes=fixes))
    return found


def _fix(
    role: str,
    fix: LocationFix,
    answer: PresenceAnswer,
    timeline: CaseTimeline,
    reports: Mapping[str, LocationReported],
) -> Fix:
    report = reports.get(fix.ref)
    return Fix(
        role=role,
        ref=fix.ref,
        time=fix.time,
        distance_m=answer.distance_m(fix, timeline.site),
        accuracy_m=None if report is None else report.accuracy_m,
        place=None if fix.place is None else (fix.place.lat, fix.place.lon),
    )


def _last_actions(records: CaseRecords) -> list[StoredAction]:
    last: dict[str, StoredAction] = {}
    for each in records.actions:
        known = last.get(each.message.action_id)
        if known is None or each.message.revision >= known.message.revision:
            last[each.message.action_id] = each
    return list(last.values())


def _last_alerts(records: CaseRecords) -> list[StoredAlert]:
    return list({each.message.alert_id: each for each in records.alerts}.values())


def _is_firing(each: StoredAlert, now: int) -> bool:
    body = each.message.body
    return body.state == "firing" and (body.ends_at is None or body.ends_at > now)


def _ahead(records: CaseRecords, timeline: CaseTimeline, now: int) -> Iterator[Ahead]:
    """Yield what the case's own deadlines lead to if no other fact comes, and what is due before."""
    for each in timeline.ahead:
        if each.subject == records.case_id:
            yield Ahead(each.at, _future_text(each.message), _future_tone(each.message))
    for action in _last_actions(records):
        body = action.message.body
        if body.state == "open" and body.due_at is not None and body.due_at > now:
            yield Ahead(body.due_at, f"{body.code} is due", "open")


def _future_text(message: OutputMessage) -> str:
    match message:
        case DecisionMessage(body=body):
            return f"{body.kind} becomes {body.outcome}, {body.status}"
        case ActionMessage(body=body):
            return f"{body.code} {'opens' if body.state == 'open' else 'is ' + body.state}"
        case AlertMessage(body=body):
            return f"{body.name} {'fires' if body.state == 'firing' else 'is resolved'}"


def _future_tone(message: OutputMessage) -> str:
    match message:
        case DecisionMessage(body=body):
            return body.status
        case AlertMessage(body=body):
            return body.severity if body.state == "firing" else "resolved"
        case ActionMessage(body=body):
            return body.state
