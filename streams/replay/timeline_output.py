"""Writes the timeline of a case as text or JSON, without names, phone numbers or coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from agents.presence.queries import LocationFix, PresenceAnswer
from schemas.codec.encoder import encode_message
from schemas.events import Site
from schemas.outputs import AnyDecision
from schemas.timestamps import format_instant
from streams.replay.case_timeline import CaseTimeline
from streams.replay.deduplicate import RefusedRecord
from streams.terminal.message_text import action_text, alert_text, fact_lines, message_lines, public_data


def timeline_text(timeline: CaseTimeline) -> Iterator[str]:
    """Yield the lines of a timeline."""
    counts = ", ".join(f"{count} location reports of {name}" for name, count in sorted(timeline.report_counts.items()))
    yield f"case {timeline.case_id} as of {format_instant(timeline.until)}, policy {timeline.policy}"
    yield f"{len(timeline.facts)} facts, {counts or 'no location reports'}"
    yield ""
    # sorting keeps this order among entries of one instant
    entries = [(fact.time, fact_lines(fact)) for fact in timeline.facts]
    entries += [(each.query.time, _presence(each, timeline.site)) for each in timeline.answers]
    entries += [(each.at, message_lines(each.message)) for each in timeline.emissions]
    for time, (first, *more) in sorted(entries, key=itemgetter(0)):
        yield f"{format_instant(time)}  {first}"
        yield from (f"    {line}" for line in more)
    yield ""
    yield from _section("open actions", [action_text(message) for message in timeline.open_actions])
    yield from _section("firing alerts", [alert_text(message) for message in timeline.firing_alerts])
    if timeline.refused:
        refused = [f"{_origin(each)}: {each.reason}" for each in timeline.refused]
        yield from _section("refused records, not in this timeline", refused)


def case_json(case_id: str, timeline: CaseTimeline | None, latest: Sequence[bytes] | None) -> bytes:
    """Return a case as one JSON object: its timeline, and the current decisions as Kafka has them, as far as read."""
    members = {"case_id": case_id, **({} if timeline is None else _timeline_members(timeline))}
    if latest is not None:
        members["latest_decisions"] = [msgspec.Raw(value) for value in latest]
    return msgspec.json.encode(members)


def _timeline_members(timeline: CaseTimeline) -> dict[str, Any]:
    """Return the members of a timeline, with the messages as `sop replay` writes them."""
    return {
        "until": format_instant(timeline.until),
        "policy": timeline.policy,
        "facts": [
            {"time": format_instant(fact.time), "type": fact.type, "ref": fact.ref, "data": public_data(fact)}
            for fact in timeline.facts
        ],
        "location_reports": dict(sorted(timeline.report_counts.items())),
        "presence_answers": [_answer(answer, timeline.site) for answer in timeline.answers],
        "messages": [
            {"at": format_instant(each.at), "message": msgspec.Raw(encode_message(each.message))}
            for each in timeline.emissions
        ],
        "open_actions": [message.action_id for message in timeline.open_actions],
        "firing_alerts": [message.alert_id for message in timeline.firing_alerts],
        "refused": [{"record": _origin(each), "reason": each.reason} for each in timeline.refused],
    }


def latest_text(latest: Sequence[AnyDecision]) -> Iterator[str]:
    """Yield the lines of the current decisions."""
    yield f"current decisions: {len(latest) or 'none'}"
    for first, *more in map(message_lines, latest):
        yield f"    {first}"
        yield from (f"        {line}" for line in more)
    yield ""


def _origin(refused: RefusedRecord) -> str:
    return f"{refused.record.topic}-{refused.record.partition}@{refused.record.offset}"


def _presence(answer: PresenceAnswer, site: Site | None) -> list[str]:
    query = answer.query
    closest = "no valid report" if answer.closest is None else _fix(answer.closest, answer, site)
    lines = [f"presence of {query.partner_id} at {query.fact}: {closest}"]
    if answer.mocked is not None:
        lines.append(f"mocked: {_fix(answer.mocked, answer, site)}")
    if answer.stay is not None:
        lines.append(f"still on site: {_fix(answer.stay, answer, site)}")
    return lines


def _fix(fix: LocationFix, answer: PresenceAnswer, site: Site | None) -> str:
    metres = answer.distance_m(fix, site)
    where = "distance from the site unknown" if metres is None else f"{metres:.0f} m from the site"
    apart_s = (fix.time - answer.query.time) / 1_000_000
    return f"{where}, {abs(apart_s):.0f} s {'before' if apart_s < 0 else 'after'} ({fix.ref})"


def _answer(answer: PresenceAnswer, site: Site | None) -> dict[str, Any]:
    fixes = {"closest": answer.closest, "mocked": answer.mocked, "stay": answer.stay}
    return {
        "time": format_instant(answer.query.time),
        "partner_id": answer.query.partner_id,
        "fact": answer.query.fact,
        **{
            name: {"ref": fix.ref, "time": format_instant(fix.time), "distance_m": answer.distance_m(fix, site)}
            for name, fix in fixes.items()
            if fix is not None
        },
    }


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield f"{title}: {len(lines) or 'none'}"
    yield from (f"    {line}" for line in lines)
