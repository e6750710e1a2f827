"""Facts of one case in plain words, and the messages that the agents emit about them.

`Scenario().booked().assigned().ticket("10:30")` holds the same facts as events and as JSON envelopes. A fact's name is
its id: the first booking is `booked`, the second `booked2`; a ticket is named by its ticket id.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, Self

from agents.case.evaluation import Evaluation
from agents.case.presence import PresenceAnswers
from agents.case.view import CaseView, build_case_view
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.presence.track import Track
from agents.sops.catalogue import POLICIES
from agents.sops.evaluate import case_presence_queries, evaluate, explain_decisions
from agents.sops.explained import ExplainedDecision
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import encode_message
from schemas.codec.limits import Limits
from schemas.events import AnyEvent
from schemas.outputs import OutputMessage
from schemas.policy.model import DAY, HOUR, MINUTE, SECOND, Policy, PolicySet

SOURCE: Final = "/s"
SITE: Final = (28.6139, 77.2090)
MIDNIGHT: Final = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * SECOND
EARTH_RADIUS_M: Final = 6_371_008.8
LIMITS: Final = Limits()
POLICY: Final = Policy(hash="h")
UNITS: Final = {"us": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
FACTS_MAX: Final = 1000


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


def policy_with(lines: str) -> Policy:
    """Return the default policy, but for what some lines of a policy document change."""
    return POLICIES.read(f'label = "test"\n{lines}', "test")


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


class Scenario:
    """One case. Every method adds a fact, at its usual time or at the one given, and returns the scenario.

    Times are read by `instant`; a time that begins with a sign counts from the fact before.
    """

    def __init__(self, case_id: str = "job-1") -> None:
        self.case_id = case_id
        self.arrivals: list[AnyEvent] = []
        """Facts and reports in the order in which they arrive."""
        self._lines: dict[tuple[str, str], bytes] = {}
        self._last = MIDNIGHT
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return "; ".join(f"{rfc3339(each.time)[11:-1]} {each.type} {each.id}" for each in self.arrivals)

    @property
    def facts(self) -> list[AnyEvent]:
        """All events but the location reports."""
        return [each for each in self.arrivals if each.type != "location.reported"]

    @property
    def reports(self) -> list[AnyEvent]:
        """The location reports."""
        return [each for each in self.arrivals if each.type == "location.reported"]

    def copy(self) -> Scenario:
        """Return a scenario with the same facts."""
        return deepcopy(self)

    def add(self, at: str, kind: str, name: str, /, subject: str | None = None, **data: Any) -> Self:
        """Add any event; the name becomes its id, numbered from its second use on."""
        count = self._counts[name] = self._counts.get(name, 0) + 1
        self._last = instant(at, self._last)
        encoded = line(kind, subject or self.case_id, self._last, name if count == 1 else f"{name}{count}", data)
        event = decode_record(encoded, None, LIMITS)
        self._lines[event.identity] = encoded
        self.arrivals.append(event)
        return self

    def again(self) -> Self:
        """The latest event once more."""
        self.arrivals.append(self.arrivals[-1])
        return self

    # The job

    def booked(self, at: str = "08:00", *, city: str = "Delhi", name: str = "booked", **data: Any) -> Self:
        """A booking for an air conditioner in a home."""
        site = data.pop("site", SITE)
        usual: dict[str, Any] = {
            "customer_id": "c1",
            "category": "ac",
            "city": city,
            "site": {"lat": site[0], "lon": site[1]},
            "premises": "residential",
            "scheduled_for": "2026-11-21T10:00:00+05:30",
        }
        return self.add(at, "job.booked", name, **(usual | data))

    def assigned(self, at: str = "09:00", partner: str = "p1", group: str | None = None) -> Self:
        return self.add(at, "job.assigned", "assigned", partner_id=partner, partner_group=group)

    def started(self, at: str, partner: str = "p1") -> Self:
        return self.add(at, "job.started", "started", partner_id=partner)

    def blocked(self, at: str = "10:00", reason: str = "otp_refused", partner: str = "p1") -> Self:
        return self.add(at, "job.start_blocked", "blocked", partner_id=partner, reason=reason)

    def closed(self, at: str = "13:00", closure: str = "bpc", partner: str = "p1") -> Self:
        return self.add(at, "job.closed", "closed", partner_id=partner, closure=closure)

    def line_item(self, at: str, amount: str, line: str = "l1", currency: str = "INR") -> Self:
        money = {"amount": amount, "currency": currency}
        return self.add(at, "job.line_item_added", "item", line_id=line, amount=money)

    def cancelled(
        self,
        at: str = "12:00",
        by: str = "partner",
        *,
        reason: str = "out_of_scope",
        marked: str = "partner",
        partner: str | None = None,
    ) -> Self:
        data = {"by": by, "reason": reason, "marked_against": marked, "partner_id": partner}
        return self.add(at, "cancellation.recorded", "cancelled", **data)

    def partner_cancelled(self, at: str = "12:00", *, reason: str = "cant_deliver", marked: str = "partner") -> Self:
        return self.cancelled(at, "partner", reason=reason, marked=marked)

    def customer_cancelled(
        self, at: str = "12:00", *, reason: str = "incorrect_service_booked", marked: str = "none"
    ) -> Self:
        return self.cancelled(at, "customer", reason=reason, marked=marked)

    def report(
        self,
        at: str,
        metres: float = 100.0,
        *,
        partner: str = "p1",
        accuracy: float = 10.0,
        mocked: bool = False,
        bearing: float = 90.0,
        site: tuple[float, float] = SITE,
    ) -> Self:
        """A location report this far from the site."""
        lat, lon = destination(metres, bearing, site)
        data: dict[str, Any] = {"lat": lat, "lon": lon, "accuracy_m": accuracy, "mocked": mocked}
        return self.add(at, "location.reported", "report", subject=partner, **data)

    # Tickets

    def ticket(
        self, at: str = "10:00", ticket: str = "t1", *, kind: str = "out_of_scope", by: str = "partner", **data: Any
    ) -> Self:
        """A ticket; the ticket id names the fact."""
        return self.add(at, "ticket.created", ticket, ticket_id=ticket, kind=kind, opened_by=by, **data)

    def rating_ticket(self, at: str = "14:00", ticket: str = "r1", by: str = "partner", **data: Any) -> Self:
        return self.ticket(at, ticket, kind="rating_reversal", by=by, **data)

    def image(
        self, at: str = "10:05", ticket: str = "t1", *, by: str = "partner", url: str = "u1", sha: str | None = None
    ) -> Self:
        link = f"https://media.example/{url}.jpg"
        return self.add(at, "ticket.media_added", "image", ticket_id=ticket, added_by=by, url=link, sha256=sha)

    def call(self, at: str, outcome: str, party: str = "partner", ticket: str = "t1") -> Self:
        return self.add(at, "ticket.call_logged", "call", ticket_id=ticket, party=party, outcome=outcome)

    def customer_said(self, outcome: str, at: str = "11:00", ticket: str = "t1") -> Self:
        return self.call(at, outcome, "customer", ticket)

    def partner_said(self, outcome: str, at: str = "11:00", ticket: str = "t1") -> Self:
        return self.call(at, outcome, "partner", ticket)

    def validated(self, at: str = "11:00", verdict: str = "genuine", ticket: str = "t1") -> Self:
        return self.add(at, "ticket.validated", "validated", ticket_id=ticket, verdict=verdict, channel="video_call")

    def genuine(self) -> Self:
        """An image at 10:05 and the validation `genuine` at 11:00."""
        return self.image().validated()

    def not_genuine(self, at: str = "11:00") -> Self:
        return self.validated(at, "not_genuine")

    def ticket_closed(self, at: str, ticket: str = "t1") -> Self:
        return self.add(at, "ticket.closed", "done", ticket_id=ticket)

    # Offline service

    def complaint(self, at: str = "10:00", ticket: str = "o1", *, kind: str = "offline_service", **data: Any) -> Self:
        """A ticket of the customer about an offline service."""
        return self.ticket(at, ticket, kind=kind, by="customer", **data)

    def identified(self, at: str = "11:00", partner: str = "p1", *, ticket: str = "o1", **data: Any) -> Self:
        usual = {"name": "Ravi Kumar Sharma", "phone": "+919876543210"}
        return self.add(
            at, "ticket.partner_identified", "identified", ticket_id=ticket, partner_id=partner, **(usual | data)
        )

    def proof(self, at: str = "12:00", *, ticket: str = "o1", amount: str = "1500.00", **data: Any) -> Self:
        """A payment proof that passes every check against `identified`."""
        usual: dict[str, Any] = {
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
        return self.add(at, "ticket.payment_proof_added", "proof", ticket_id=ticket, **(usual | data))

    def refund_asked(self, at: str = "13:00", ticket: str = "o1") -> Self:
        return self.add(at, "ticket.refund_requested", "refund", ticket_id=ticket)

    # What becomes of it

    def events(self) -> list[AnyEvent]:
        """Return all facts and reports in fact order."""
        return sorted(self.arrivals, key=lambda each: each.order)

    def lines(self) -> list[bytes]:
        """Return the same as JSON envelopes, one a line."""
        return [self._lines[each.identity] for each in self.events()]

    def time_of(self, name: str) -> int:
        """Return the time (µs) of the fact or report with this name."""
        return next(each.time for each in self.arrivals if each.id == name)

    def messages(self, now: str | None = None, policy: Policy = POLICY) -> list[dict[str, Any]]:
        """Return the messages emitted up to an instant (by default that of the latest event), as JSON, in their order.

        Events arrive in the order in which they were added. As in a worker, nothing is evaluated between an event and
        the next deadline.
        """
        agents = Agents(self.case_id, policy)
        for event, following in pairwise([*self.arrivals, None]):
            assert event is not None
            agents.receive(event)
            if following is None or following.time != event.time:
                agents.evaluate(event.time)
        agents.pass_deadlines(instant(now) if now else max(each.time for each in self.arrivals))
        return agents.messages


class Agents:
    """A case agent and a location agent that work on one case as in a worker: events in, messages out."""

    def __init__(self, case_id: str, policy: Policy) -> None:
        policies = PolicySet([policy], POLICY)
        self.messages: list[dict[str, Any]] = []
        self._case_id = case_id
        self._cases = CaseAgent(policies, facts_max=FACTS_MAX)
        self._locations = LocationAgent(policies)
        self._now = 0
        self._due: int | None = None

    def receive(self, event: AnyEvent) -> None:
        """Receive an event when all deadlines before its time have passed."""
        self.pass_deadlines(event.time - 1)
        if event.type == "location.reported":
            self._locations.receive(event)
        else:
            self._cases.receive(event)
            for query in self._cases.new_presence_queries(self._case_id):
                self._locations.query(query)
        for partner_id in self._locations.tracks:
            for answer in self._locations.new_answers(partner_id, {}):
                self._cases.apply_answer(answer)
            self._emit(self._locations.new_alerts(partner_id))

    def pass_deadlines(self, until: int) -> None:
        """Evaluate the case at each deadline that it announces, up to an instant (µs)."""
        while self._due is not None and self._due <= until:
            self.evaluate(self._due)

    def evaluate(self, time: int) -> None:
        """Evaluate the case at an instant (µs), or again at the latest one so far."""
        self._now = max(self._now, time)
        result = self._cases.decide(self._case_id, self._now)
        self._due = result.next_deadline
        self._emit(result.messages)

    def _emit(self, messages: Sequence[OutputMessage]) -> None:
        self.messages += [json.loads(encode_message(message)) for message in messages]


def evaluate_case(
    case_id: str, facts: Sequence[AnyEvent], reports: Sequence[AnyEvent], policy: Policy, now: int
) -> Evaluation:
    """Evaluate a case once, at `now` (µs), from its facts and its partners' reports in the order given."""
    view = build_case_view(case_id, facts)
    return evaluate(view, presence_answers(view, reports, policy), policy, now)


def explain_case(
    case_id: str, facts: Sequence[AnyEvent], reports: Sequence[AnyEvent], policy: Policy, now: int
) -> tuple[ExplainedDecision, ...]:
    """Explain what `evaluate_case` decides, row by row."""
    view = build_case_view(case_id, facts)
    return explain_decisions(view, presence_answers(view, reports, policy), policy, now)


def presence_answers(view: CaseView, reports: Sequence[AnyEvent], policy: Policy) -> PresenceAnswers:
    """Answer the presence queries of a case from its partners' reports in the order given.

    Queries come first: a report counts for a query that is already known, however late it arrives.
    """
    tracks: dict[str, Track] = {}
    for query in case_presence_queries(view, policy):
        tracks.setdefault(query.partner_id, Track(query.partner_id)).query(query)
    for report in reports:
        if report.subject in tracks:
            tracks[report.subject].add_report(report, policy)  # type: ignore[arg-type]
    return {answer.query.key: answer for track in tracks.values() for answer in track.new_answers()}
