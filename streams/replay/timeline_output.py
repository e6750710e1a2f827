"""Writes the timeline of a case as text or JSON, without names, phone numbers or coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from agents.presence.queries import LocationFix, PresenceAnswer
from agents.sops.catalogue import TITLES
from agents.sops.explained import ExplainedDecision, ExplainedRow, ExplainedTerm
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
    for explained in timeline.explained:
        yield from _explained(explained)
    if timeline.explained:
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
        "explained": [_explained_members(each) for each in timeline.explained],
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


def _explained(explained: ExplainedDecision) -> Iterator[str]:
    """Yield what was decided, or why nothing, and a line for each row up to the one that fired."""
    decided = f"{explained.outcome}, {explained.status}"
    if explained.outcome is None:
        decided = f"no decision, {_found(each for each in explained.applies if not each.holds) or 'no row applies'}"
    partner = explained.partner_id or "no partner"
    yield f"{explained.kind} ({TITLES[explained.subject_of]}) for {partner}: {decided}"
    yield from (f"    {_row(each)}" for each in explained.rows)
    if explained.final_from is not None:
        yield f"    final from {format_instant(explained.final_from)}"


def _row(row: ExplainedRow) -> str:
    if row.fired:
        return f"{row.name} {row.outcome}: yes, {_found(row.terms) or 'no row before it applies'}"
    return f"{row.name} {row.outcome}: no, {_found(row.failing)}"


def _found(terms: Iterable[ExplainedTerm]) -> str:
    return "; ".join(term.found for term in terms)


def _explained_members(explained: ExplainedDecision) -> dict[str, Any]:
    final_from = explained.final_from
    return {
        **msgspec.to_builtins(explained),
        "final_from": None if final_from is None else format_instant(final_from),
        "rows": [{**msgspec.to_builtins(row), "fired": row.fired} for row in explained.rows],
    }


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield f"{title}: {len(lines) or 'none'}"
    yield from (f"    {line}" for line in lines)
