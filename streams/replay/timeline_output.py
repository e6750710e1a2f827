"""A case's story written down, for a reader or for a program: without names, telephone numbers or coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import structs

from agents.clauses import CLAUSES
from agents.presence.queries import LocationFix, PresenceAnswer
from schemas.codec.encoder import encode_message
from schemas.events import AnyEvent, Money, Site
from schemas.outputs import ActionMessage, AlertMessage, DecisionMessage, OutputMessage
from schemas.timestamps import format_instant
from streams.replay.case_timeline import CaseTimeline, Said
from streams.replay.records import RefusedRecord

PRIVATE: Final = frozenset({"site", "lat", "lon", "name", "phone", "payee_name", "payee_phone", "description"})
"""Fields of events that are never shown; a free text may hold anything."""

_FACT, _WHEREABOUTS, _SAID = range(3)


class _Entry(NamedTuple):
    """Lines about one instant; of one instant first what happened, then what was seen, then what was said."""

    time: int
    rank: int
    lines: list[str]


def told(story: CaseTimeline) -> Iterator[str]:
    """Yield the lines of a story for a reader."""
    partners = ", ".join(f"{count} location reports of {name}" for name, count in sorted(story.reports.items()))
    yield f"case {story.case_id} as of {format_instant(story.until)}, policy {story.policy}"
    yield f"{len(story.facts)} facts, {partners or 'no location reports'}"
    yield ""
    entries = [_Entry(fact.time, _FACT, _fact(fact)) for fact in story.facts]
    entries += [_Entry(each.query.time, _WHEREABOUTS, _whereabouts(each, story.site)) for each in story.answers]
    entries += [_Entry(said.at, _SAID, _said(said)) for said in story.said]
    for entry in sorted(entries, key=lambda entry: entry[:2]):
        first, *more = entry.lines
        yield f"{format_instant(entry.time)}  {first}"
        yield from (f"    {line}" for line in more)
    yield ""
    yield from _standing("open actions", [_action(message) for message in story.open_actions])
    yield from _standing("firing alerts", [_alert(message) for message in story.firing_alerts])
    if story.refused:
        yield from _standing("refused, not part of this", [_refused(each) for each in story.refused])


def document(story: CaseTimeline) -> bytes:
    """Return a story as one JSON object; decisions, actions and alerts are as they would go out."""
    members = {
        "case_id": story.case_id,
        "until": format_instant(story.until),
        "policy": story.policy,
        "facts": [
            {"time": format_instant(fact.time), "type": fact.type, "ref": fact.ref, "data": public_data(fact)}
            for fact in story.facts
        ],
        "location_reports": dict(sorted(story.reports.items())),
        "readings": [_answer(answer, story.site) for answer in story.answers],
        "messages": [
            {"at": format_instant(said.at), "message": msgspec.Raw(encode_message(said.message))} for said in story.said
        ],
        "open_actions": [message.action_id for message in story.open_actions],
        "firing_alerts": [message.alert_id for message in story.firing_alerts],
        "refused": [{"record": _place(each), "reason": each.reason} for each in story.refused],
    }
    return msgspec.json.encode(members)


def _refused(refused: RefusedRecord) -> str:
    return f"{_place(refused)}: {refused.reason}"


def _place(refused: RefusedRecord) -> str:
    return f"{refused.record.topic}-{refused.record.partition}@{refused.record.offset}"


def public_data(fact: AnyEvent) -> dict[str, Any]:
    """Return the fields of an event that may be shown and are there."""
    fields = structs.asdict(fact.data)
    return {name: value for name, value in fields.items() if name not in PRIVATE and value is not None}


def _fact(fact: AnyEvent) -> list[str]:
    said = ", ".join(f"{name}={_plain(value)}" for name, value in public_data(fact).items())
    return [f"{fact.type}  {fact.ref}", *([said] if said else [])]


def _plain(value: object) -> str:
    if isinstance(value, Money):
        return f"{value.amount} {value.currency}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _whereabouts(answer: PresenceAnswer, site: Site | None) -> list[str]:
    query = answer.query
    closest = "no valid report" if answer.closest is None else _fix(answer.closest, answer, site)
    lines = [f"whereabouts of {query.partner_id} at {query.fact}: {closest}"]
    if answer.mocked is not None:
        lines.append(f"mocked: {_fix(answer.mocked, answer, site)}")
    if answer.stay is not None:
        lines.append(f"still there: {_fix(answer.stay, answer, site)}")
    return lines


def _fix(fix: LocationFix, answer: PresenceAnswer, site: Site | None) -> str:
    metres = answer.distance_m(fix, site)
    where = "no site to compare with" if metres is None else f"{metres:.0f} m from the site"
    apart_s = (fix.time - answer.query.time) / 1_000_000
    return f"{where}, {abs(apart_s):.0f} s {'before' if apart_s < 0 else 'after'} ({fix.ref})"


def _answer(answer: PresenceAnswer, site: Site | None) -> dict[str, Any]:
    fixes = {"closest": answer.closest, "mocked": answer.mocked, "stay": answer.stay}
    return {
        "time": format_instant(answer.query.time),
        "partner_id": answer.query.partner_id,
        "fact": answer.query.fact,
        **{
            name: {"ref": seen.ref, "time": format_instant(seen.time), "distance_m": answer.distance_m(seen, site)}
            for name, seen in fixes.items()
            if seen is not None
        },
    }


def _said(said: Said) -> list[str]:
    message: OutputMessage = said.message
    if isinstance(message, DecisionMessage):
        return _decision(message)
    if isinstance(message, ActionMessage):
        return [f"action {message.body.state}: {_action(message)}", *_clauses(message.body.clauses)]
    return [f"alert {message.body.state}: {_alert(message)}"]


def _decision(message: DecisionMessage) -> list[str]:
    body = message.body
    whom = "nobody" if body.partner_id is None else body.partner_id
    lines = [f"decision {body.kind}, revision {message.revision}: {body.outcome}, {body.status}, on {whom}"]
    if body.reasons:
        lines.append(f"because of {', '.join(body.reasons)}")
    if message.changed:
        lines.append(f"changed: {', '.join(message.changed)}")
    lines += _clauses(body.clauses)
    lines.append(f"evidence: {', '.join(body.evidence)}")
    return lines


def _clauses(clauses: tuple[str, ...]) -> list[str]:
    return [f"{clause}: {CLAUSES[clause]}" for clause in clauses]


def _action(message: ActionMessage) -> str:
    body = message.body
    about = [each for each in (body.partner_id, body.ticket_id) if each is not None]
    about += [f"{name}={value}" for name, value in sorted(body.params.items())]
    about += [] if body.due_at is None else [f"due {format_instant(body.due_at)}"]
    return f"{body.code} ({', '.join(about)})" if about else body.code


def _alert(message: AlertMessage) -> str:
    return f"{message.body.name} ({message.body.severity}): {message.body.summary}"


def _standing(title: str, lines: list[str]) -> Iterator[str]:
    yield f"{title}: {len(lines) or 'none'}"
    yield from (f"    {line}" for line in lines)
