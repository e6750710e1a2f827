"""The story of one case, told by a replay of what concerns it: its facts, its partners' whereabouts, what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from agents.presence.queries import PresenceAnswer
from schemas.events import LOCATION_REPORT, AnyEvent, Site
from schemas.outputs import ActionMessage, AlertMessage, OutputMessage
from schemas.policy.model import PolicySet
from streams.replay.records import InputRecord, RefusedRecord
from streams.replay.replay import Replay


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and the instant (microseconds) of event time at which it was due to be said."""

    at: int
    message: OutputMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTimeline:
    """All about a case as of `until` (microseconds); `reports` counts the location reports of each partner named."""

    case_id: str
    until: int
    policy: str
    facts: tuple[AnyEvent, ...]
    reports: Counter[str]
    site: Site | None
    """Where the job was to be done, by the latest booking."""
    answers: tuple[PresenceAnswer, ...]
    said: tuple[Said, ...]
    refused: tuple[RefusedRecord, ...] = ()
    """Records that name the case and cannot be accepted: what they say is not in the story."""

    @property
    def open_actions(self) -> list[ActionMessage]:
        """The actions open in the end."""
        latest = {each.message.action_id: each.message for each in self.said if isinstance(each.message, ActionMessage)}
        return [message for message in latest.values() if message.body.state == "open"]

    @property
    def firing_alerts(self) -> list[AlertMessage]:
        """The alerts that fire in the end."""
        latest = {each.message.alert_id: each.message for each in self.said if isinstance(each.message, AlertMessage)}
        return [message for message in latest.values() if self._fires(message)]

    def _fires(self, message: AlertMessage) -> bool:
        body = message.body
        return body.state == "firing" and (body.ends_at is None or body.ends_at > self.until)


def refused_of(case_id: str, refused: Iterable[RefusedRecord]) -> tuple[RefusedRecord, ...]:
    """Return the refused records that name a case, by their key or as far as they can be read."""
    return tuple(each for each in refused if case_id in {*_names(each.record)})


def _names(record: InputRecord) -> Iterator[str]:
    yield (record.key or b"").decode(errors="replace")
    try:
        yield _named.decode(record.value or b"").subject
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


class _Named(Struct):
    subject: str


_named: Final = msgspec.json.Decoder(_Named)


def case_timeline(
    case_id: str, events: Iterable[AnyEvent], policies: PolicySet, *, until: int | None
) -> CaseTimeline | None:
    """Return the story of a case from accepted events of any cases, None where they have no fact of it.

    `until` (microseconds; default: the last event's time) ends the virtual clock.
    """
    everything = list(events)
    end = max((event.time for event in everything), default=0) if until is None else until
    known = [event for event in everything if event.time <= end]
    facts = sorted(
        (event for event in known if event.subject == case_id and event.type != LOCATION_REPORT),
        key=lambda event: event.order,
    )
    if not facts:
        return None
    partners = _partners(facts)
    reports = [event for event in known if event.type == LOCATION_REPORT and event.subject in partners]
    replay = Replay(policies)
    said = []
    for message in replay.run([*facts, *reports], end):
        case = replay.cases.cases.get(case_id)
        begun = message.body.starts_at if isinstance(message, AlertMessage) else 0
        said.append(Said(max(begun, case.decided_at if case else 0), message))
    told = replay.cases.case(case_id)
    answers = [told.answers[key] for key in told.queries if key in told.answers]
    return CaseTimeline(
        case_id=case_id,
        until=end,
        policy=policies.at(facts[0].time).name,
        facts=tuple(facts),
        reports=Counter(report.subject for report in reports),
        site=told.view.booking.data.site if told.view.booking else None,
        answers=tuple(sorted(answers, key=lambda answer: (answer.query.time, answer.query.key))),
        said=tuple(said),
    )


def _partners(facts: Sequence[AnyEvent]) -> set[str]:
    named = (getattr(fact.data, "partner_id", None) for fact in facts)
    return {partner for partner in named if partner is not None}
