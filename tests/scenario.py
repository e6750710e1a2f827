"""A small language for cases: what happened when, and what was decided about it.

`Scenario().booked("08:00").assigned("09:00").ticket("10:00")` holds the same facts as events and as JSON envelopes.
Facts are named: the first booking is `booked`, the second `booked2`; a ticket bears its ticket id. Evidence is told by
these names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET

from agents.case.evaluation import ActionCondition, AlertCondition, Evaluation
from agents.case.view import build_case_view
from agents.presence.track import Track
from agents.sops.evaluate import case_presence_queries, evaluate
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.events import AnyEvent
from schemas.outputs import DecisionBody
from schemas.policy.model import DAY, HOUR, MINUTE, SECOND, Policy

SOURCE: Final = "/s"
SITE: Final = (28.6139, 77.2090)
MIDNIGHT: Final = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * SECOND
EARTH_RADIUS_M: Final = 6_371_008.8
LIMITS: Final = Limits()
POLICY: Final = Policy(hash="h")
UNITS: Final = {"us": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
FIELDS: Final = (
    "tag_code",
    "service_date",
    "proof_given",
    "proof_url",
    "reporting",
    "cancellation_marked",
    "counts_in_mg",
    "resolve_at",
    "proven_amount",
    "apology",
)


def instant(text: str, since: int = MIDNIGHT) -> int:
    """Return microseconds of `10:00`, `10:00:30.5`, `+3h` (since the instant given) or both, as in `10:00 +1d -1us`."""
    clock = re.match(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?", text)
    at = since
    if clock:
        fraction = int((clock[4] or "").ljust(6, "0"))
        at = MIDNIGHT + int(clock[1]) * HOUR + int(clock[2]) * MINUTE + int(clock[3] or 0) * SECOND + fraction
    for sign, number, unit in re.findall(r"([+-])(\d+)(us|s|m|h|d)", text):
        at += (1 if sign == "+" else -1) * int(number) * UNITS[unit]
    return at


def rfc3339(at: int) -> str:
    """Return an instant as the contract writes it: UTC, six digits of fraction or none."""
    whole = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return whole + (f".{at % SECOND:06d}Z" if at % SECOND else "Z")


def destination(metres: float, bearing_deg: float = 90.0, start: tuple[float, float] = SITE) -> tuple[float, float]:
    """Return the point (degrees) that lies so far along a great circle from a start."""
    angle, bearing = metres / EARTH_RADIUS_M, math.radians(bearing_deg)
    lat, lon = math.radians(start[0]), math.radians(start[1])
    to_lat = math.asin(math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(bearing))
    to_lon = lon + math.atan2(
        math.sin(bearing) * math.sin(angle) * math.cos(lat),
        math.cos(angle) - math.sin(lat) * math.sin(to_lat),
    )
    return math.degrees(to_lat), (math.degrees(to_lon) + 540) % 360 - 180


def line(kind: str, subject: str, at: int, name: str, data: dict[str, Any], source: str = SOURCE) -> bytes:
    """Return an envelope as one line of JSON, without the newline; absent data fields are None in `data`."""
    members = {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": kind,
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": {key: value for key, value in data.items() if value is not None},
    }
    return json.dumps(members).encode()


@dataclass(frozen=True)
class Ruled:
    """A decision as a table row says it: evidence by the names of its facts, `at` in RFC 3339."""

    outcome: str
    status: str
    clauses: tuple[str, ...]
    evidence: tuple[str, ...]
    at: str
    reasons: tuple[str, ...]
    fields: dict[str, Any]


def ruled(outcome: str, status: str, clauses: str, evidence: str, at: str, reasons: str = "", **fields: Any) -> Ruled:
    """Return what is expected of a decision; lists are words in one string, `fields` all further ones of the body."""
    return Ruled(
        outcome=outcome,
        status=status,
        clauses=tuple(sorted(clauses.split())),
        evidence=tuple(sorted(set(evidence.split()))),
        at=rfc3339(instant(at)),
        reasons=tuple(sorted(reasons.split())),
        fields=fields,
    )


@dataclass(frozen=True)
class Outcome:
    """A verdict seen through the names of a scenario."""

    verdict: Evaluation

    def body(self, kind: str, partner: str | None = "p1", subject_of: str = "out_of_scope") -> DecisionBody | None:
        """Return the one decision of a kind (offline: whoever the partner), or None."""
        found = [
            each
            for each in self.verdict.decisions
            if each.kind == kind
            and each.subject_of == subject_of
            and (subject_of == "offline_service" or each.partner_id == partner)
        ]
        assert len(found) <= 1, f"several decisions of one key: {found}"
        return found[0] if found else None

    def ruling(self, kind: str, partner: str | None = "p1", subject_of: str = "out_of_scope") -> Ruled | None:
        """Return the same as a row says it."""
        body = self.body(kind, partner, subject_of)
        if body is None:
            return None
        values = {name: getattr(body, name) for name in FIELDS}
        return Ruled(
            outcome=body.outcome,
            status=body.status,
            clauses=body.clauses,
            evidence=names(body.evidence),
            at=rfc3339(body.effective_at),
            reasons=body.reasons,
            fields={name: msgspec.to_builtins(value) for name, value in values.items() if value is not UNSET},
        )

    def step(self, code: str, partner: str | None = "p1", ticket: str | None = None) -> ActionCondition | None:
        """Return the one step of a key, or None."""
        found = [s for s in self.verdict.actions if (s.code, s.partner_id, s.ticket_id) == (code, partner, ticket)]
        assert len(found) <= 1, f"several steps of one key: {found}"
        return found[0] if found else None

    def state(self, code: str, partner: str | None = "p1", ticket: str | None = None) -> str:
        """Return the state the step would have if it had been open before: `open`, `done` or `withdrawn`."""
        step = self.step(code, partner, ticket)
        if step is None:
            return "withdrawn"
        return "open" if step.open else "done" if step.done else "withdrawn"

    def open_codes(self) -> set[str]:
        """Return the codes of all open steps."""
        return {step.code for step in self.verdict.actions if step.open}

    def alerts(self, name: str) -> list[AlertCondition]:
        """Return the findings of a name."""
        return [finding for finding in self.verdict.alerts if finding.alert.name == name]


def names(refs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of facts by their refs, sorted."""
    return tuple(sorted(ref.removeprefix(f"{SOURCE}#") for ref in refs))


class Scenario:
    """One case; every method adds a fact and returns the scenario. Times: `instant`, `+…` since the fact before."""

    def __init__(self, case_id: str = "job-1") -> None:
        self.case_id = case_id
        self.facts: list[AnyEvent] = []
        self.reports: list[AnyEvent] = []
        self._lines: dict[tuple[str, str], bytes] = {}
        self._last = MIDNIGHT
        self._counts: dict[str, int] = {}

    def copy(self) -> Scenario:
        """Return one with the same facts, to be gone on with."""
        return deepcopy(self)

    def add(self, at: str, kind: str, name: str, /, subject: str | None = None, **data: Any) -> Self:
        """Add any event; the name becomes its id, numbered from its second use on."""
        count = self._counts[name] = self._counts.get(name, 0) + 1
        self._last = instant(at, self._last)
        told = line(kind, subject or self.case_id, self._last, name if count == 1 else f"{name}{count}", data)
        fact = decode_record(told, None, LIMITS)
        self._lines[fact.identity] = told
        (self.reports if kind == "location.reported" else self.facts).append(fact)
        return self

    def booked(self, at: str = "08:00", *, city: str = "Delhi", name: str = "booked", **data: Any) -> Self:
        """A booking of an air conditioner at home, unless said otherwise."""
        site = data.pop("site", SITE)
        told: dict[str, Any] = {
            "customer_id": "c1",
            "category": "ac",
            "city": city,
            "site": {"lat": site[0], "lon": site[1]},
            "premises": "residential",
            "scheduled_for": "2026-11-21T10:00:00+05:30",
        }
        return self.add(at, "job.booked", name, **(told | data))

    def assigned(self, at: str = "09:00", partner: str = "p1", group: str | None = None) -> Self:
        return self.add(at, "job.assigned", "assigned", partner_id=partner, partner_group=group)

    def started(self, at: str, partner: str = "p1") -> Self:
        return self.add(at, "job.started", "started", partner_id=partner)

    def blocked(self, at: str, reason: str = "otp_refused", partner: str = "p1") -> Self:
        return self.add(at, "job.start_blocked", "blocked", partner_id=partner, reason=reason)

    def closed(self, at: str, closure: str = "bpc", partner: str = "p1") -> Self:
        return self.add(at, "job.closed", "closed", partner_id=partner, closure=closure)

    def line_item(self, at: str, amount: str, line: str = "l1", currency: str = "INR") -> Self:
        money = {"amount": amount, "currency": currency}
        return self.add(at, "job.line_item_added", "item", line_id=line, amount=money)

    def report(
        self,
        at: str,
        metres: float = 100.0,
        *,
        partner: str = "p1",
        accuracy: float = 10.0,
        mocked: bool = False,
        bearing: float = 90.0,
        name: str = "report",
    ) -> Self:
        """A location report so far from the site."""
        lat, lon = destination(metres, bearing)
        told: dict[str, Any] = {"lat": lat, "lon": lon, "accuracy_m": accuracy, "mocked": mocked}
        return self.add(at, "location.reported", name, subject=partner, **told)

    def ticket(
        self, at: str, ticket: str = "t1", *, kind: str = "out_of_scope", by: str = "partner", **data: Any
    ) -> Self:
        """A ticket; its creation is named by the ticket id."""
        return self.add(at, "ticket.created", ticket, ticket_id=ticket, kind=kind, opened_by=by, **data)

    def image(
        self, at: str, ticket: str = "t1", *, by: str = "partner", url: str = "u1", sha: str | None = None
    ) -> Self:
        link = f"https://media.example/{url}.jpg"
        return self.add(at, "ticket.media_added", "image", ticket_id=ticket, added_by=by, url=link, sha256=sha)

    def call(self, at: str, outcome: str, party: str = "partner", ticket: str = "t1") -> Self:
        return self.add(at, "ticket.call_logged", "call", ticket_id=ticket, party=party, outcome=outcome)

    def validated(self, at: str, verdict: str = "genuine", ticket: str = "t1") -> Self:
        return self.add(at, "ticket.validated", "validated", ticket_id=ticket, verdict=verdict, channel="video_call")

    def identified(self, at: str, partner: str = "p1", *, ticket: str = "o1", **data: Any) -> Self:
        told = {"name": "Ravi Kumar Sharma", "phone": "+919876543210"} | data
        return self.add(at, "ticket.partner_identified", "identified", ticket_id=ticket, partner_id=partner, **told)

    def proof(self, at: str, *, ticket: str = "o1", amount: str = "1500.00", **data: Any) -> Self:
        """A proof that passes every check against `identified`, unless said otherwise."""
        told: dict[str, Any] = {
            "claimed_partner_id": "p1",
            "method": "upi",
            "proof_url": "https://media.example/proof/1.jpg",
            "legible": True,
            "payee_name": "Ravi Kumar Sharma",
            "payee_phone": "+919876543210",
            "amount": {"amount": amount, "currency": "INR"},
            "paid_on": "2026-11-20",
            "service_date": "2026-11-20",
        }
        return self.add(at, "ticket.payment_proof_added", "proof", ticket_id=ticket, **(told | data))

    def refund_asked(self, at: str, ticket: str = "o1") -> Self:
        return self.add(at, "ticket.refund_requested", "refund", ticket_id=ticket)

    def ticket_closed(self, at: str, ticket: str = "t1") -> Self:
        return self.add(at, "ticket.closed", "done", ticket_id=ticket)

    def cancelled(
        self,
        at: str,
        by: str = "partner",
        *,
        reason: str = "out_of_scope",
        marked: str = "partner",
        partner: str | None = None,
    ) -> Self:
        told = {"by": by, "reason": reason, "marked_against": marked, "partner_id": partner}
        return self.add(at, "cancellation.recorded", "cancelled", **told)

    def events(self) -> list[AnyEvent]:
        """Return all facts and reports in fact order."""
        return sorted([*self.facts, *self.reports], key=lambda each: each.order)

    def lines(self) -> list[bytes]:
        """Return the same as JSON envelopes, one a line."""
        return [self._lines[each.identity] for each in self.events()]

    def verdict(self, now: str | None = None, policy: Policy = POLICY) -> Outcome:
        """Decide at an instant, by default that of the latest event."""
        until = instant(now) if now else self.events()[-1].time
        return Outcome(judge(self.case_id, self.facts, self.reports, policy, until))


def judge(case_id: str, facts: Sequence[AnyEvent], reports: Sequence[AnyEvent], policy: Policy, now: int) -> Evaluation:
    """Decide a case from its facts and its partners' reports, taken in the order given.

    The moments are asked first: a report that comes when its moment is known counts, however late it is.
    """
    history = build_case_view(case_id, facts)
    tracks: dict[str, Track] = {}
    for query in case_presence_queries(history, policy):
        tracks.setdefault(query.partner_id, Track(query.partner_id)).query(query)
    for report in reports:
        if report.subject in tracks:
            tracks[report.subject].add_report(report, policy)  # type: ignore[arg-type]
    answers = {answer.query.key: answer for track in tracks.values() for answer in track.new_answers()}
    return evaluate(history, answers, policy, now)
