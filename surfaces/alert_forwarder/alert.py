"""An alert as its topic has it, ready to be passed on (surfaces.md, "Alerts delivered")."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from schemas.codec.canonical_json import canonical_json
from schemas.codec.encoder import alert_labels, decode_message
from schemas.errors import InvalidMessage
from schemas.outputs import AlertMessage
from schemas.timestamps import format_instant

EVIDENCE_MAX: Final = 10
"""Most facts that a description names."""


class StoredAlert(NamedTuple):
    """An alert as it was sent last, and when it ends or ended (microseconds; None while nobody knows).

    `message_id` identifies the record and `number` grows with every change.
    """

    number: int
    message_id: str
    event: bytes
    ends_at: int | None


class _Event(msgspec.Struct):
    """The members of an event that webhooks get."""

    time: str
    data: msgspec.Raw


def decode_alert(event: bytes) -> AlertMessage:
    """Return the alert in the value of a record; raises `InvalidMessage` for any other value."""
    message = decode_message(event, {})
    if not isinstance(message, AlertMessage):
        raise InvalidMessage("type: not an alert")
    return message


def label_set(message: AlertMessage) -> str:
    """Return the labels as canonical JSON: they are what identifies an alert in Alertmanager."""
    return canonical_json(dict(alert_labels(message.body))).decode()


def alertmanager_alert(alert: StoredAlert, now: int, firing_us: int, console_url: str) -> dict[str, object]:
    """Return an alert as Alertmanager's API v2 takes it.

    One that nobody knows the end of ends `firing_us` from now, so that it has to be sent again before. `now` is in
    microseconds. Alertmanager refuses an end before the start, and would keep what ends in the future: clocks that are
    ahead of ours must not matter.
    """
    message = decode_alert(alert.event)
    body = message.body
    starts_at = min(body.starts_at, now)
    if alert.ends_at is None:
        ends_at = now + firing_us
    elif body.state == "resolved":
        ends_at = max(min(alert.ends_at, now), starts_at)
    else:
        ends_at = max(alert.ends_at, starts_at)
    link = console_link(message, console_url)
    annotations = {"summary": body.summary, "description": _description(message)}
    if link:
        annotations["console"] = link
    return {
        "labels": alert_labels(body),
        "annotations": annotations,
        "startsAt": format_instant(starts_at),
        "endsAt": format_instant(ends_at),
        **({"generatorURL": link} if link else {}),
    }


def console_link(message: AlertMessage, console_url: str) -> str:
    """Return the address of the case or the partner in the console, of its first page for a city; empty without one."""
    if not console_url:
        return ""
    page = {"case": "/cases/", "partner": "/partners/", "city": "/"}[message.about]
    subject = "" if message.about == "city" else quote(message.subject, safe="")
    return f"{console_url.rstrip('/')}{page}{subject}"


def webhook_body(event: bytes) -> bytes:
    """Return the body that a webhook gets: `type`, `timestamp` and the event's `data`, the same bytes each time."""
    found = _events.decode(event)
    kind = f"alert.{decode_alert(event).body.state}"
    return msgspec.json.encode({"type": kind, "timestamp": found.time, "data": found.data})


_events: Final = msgspec.json.Decoder(_Event)


def _description(message: AlertMessage) -> str:
    body = message.body
    evidence = ", ".join(body.evidence[:EVIDENCE_MAX])
    if len(body.evidence) > EVIDENCE_MAX:
        evidence += f" and {len(body.evidence) - EVIDENCE_MAX} more"
    text = f"{message.about.capitalize()} {message.subject}, since {format_instant(body.starts_at)}."
    return f"{text} Evidence: {evidence}." if evidence else text
