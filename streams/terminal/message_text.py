"""Describes events and messages in words, without names, phone numbers or coordinates."""

from __future__ import annotations

from typing import Any, Final

from msgspec import structs

from agents.sops.catalogue import CLAUSES
from schemas.events import AnyEvent, Money
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DecisionMessage, OutputMessage
from schemas.timestamps import format_instant

PRIVATE: Final = frozenset({"site", "lat", "lon", "name", "phone", "payee_name", "payee_phone", "description"})
"""Fields of events that are never shown; free text may contain anything."""


def public_data(fact: AnyEvent) -> dict[str, Any]:
    """Return the fields of an event that may be shown and have a value."""
    fields = structs.asdict(fact.data)
    return {name: value for name, value in fields.items() if name not in PRIVATE and value is not None}


def fact_lines(fact: AnyEvent) -> list[str]:
    """Return the type and reference of an event, and its fields if any may be shown."""
    fields = ", ".join(f"{name}={_plain(value)}" for name, value in public_data(fact).items())
    return [f"{fact.type}  {fact.ref}", *([fields] if fields else [])]


def _plain(value: object) -> str:
    if isinstance(value, Money):
        return f"{value.amount} {value.currency}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def message_lines(message: OutputMessage) -> list[str]:
    """Return what a message says, then its reasons, clauses and evidence."""
    if isinstance(message, DecisionMessage):
        return _decision(message)
    if isinstance(message, ActionMessage):
        return [f"action {message.body.state}: {action_text(message)}", *_clauses(message.body.clauses)]
    return [f"alert {message.body.state}: {alert_text(message)}"]


def _decision(message: AnyDecision) -> list[str]:
    body = message.body
    partner = body.partner_id or "no partner"
    lines = [f"decision {body.kind}, revision {message.revision}: {body.outcome}, {body.status}, for {partner}"]
    if body.reasons:
        lines.append(f"reasons: {', '.join(body.reasons)}")
    if message.changed:
        lines.append(f"changed: {', '.join(message.changed)}")
    lines += _clauses(body.clauses)
    lines.append(f"evidence: {', '.join(body.evidence)}")
    return lines


def _clauses(clauses: tuple[str, ...]) -> list[str]:
    return [f"{clause}: {CLAUSES[clause].summary}" for clause in clauses]


def action_text(message: ActionMessage) -> str:
    """Return the step of an action, whom and what it is about, and when it is due."""
    body = message.body
    about = [each for each in (body.partner_id, body.ticket_id) if each is not None]
    about += [f"{name}={value}" for name, value in sorted(body.params.items())]
    about += [] if body.due_at is None else [f"due {format_instant(body.due_at)}"]
    return f"{body.code} ({', '.join(about)})" if about else body.code


def alert_text(message: AlertMessage) -> str:
    """Return name, severity and summary of an alert."""
    return f"{message.body.name} ({message.body.severity}): {message.body.summary}"
