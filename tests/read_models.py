"""What tests of the read model share: the records of a simulated day, and databases to write them to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from zlib import crc32

from agents.sops import catalogue
from schemas.codec.decoder import decode_record, read_attributes
from schemas.codec.encoder import OUTPUT_HEADERS, decode_dead_letter, encode_dead_letter, encode_message
from schemas.codec.headers import Headers
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent, JobAssigned, JobBooked, LocationReported, Site, TicketCreated
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DeadLetter, DecisionMessage, OutputMessage
from schemas.policy.model import HOUR
from schemas.topics import Topics
from streams.kit.deciding import decide
from streams.kit.scenario import Arrival
from streams.runtime.ports import TP
from streams.simulator.delivery import Delivery
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries
from surfaces.read_model.case_page import REPORTS_AFTER_US, REPORTS_BEFORE_US
from surfaces.read_model.database import Database
from surfaces.read_model.entries import EntryReader
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.store import ReadModelStore
from surfaces.read_model.views import CaseFilter, CaseSummary
from surfaces.sink.ports import Position, Record

TOPICS = catalogue.topics()
PARTITIONS = 2
NOW_US = 1_800_000_000_000_000
"""What tests take for the present: later than every record."""


@dataclass
class Feed:
    """Records of some topics, one after the other."""

    topics: Topics = TOPICS
    topic_id: str = "id-1"
    records: list[Record] = field(default_factory=list)
    _ends: Counter[TP] = field(default_factory=Counter)

    @classmethod
    def after(cls, records: Iterable[Record]) -> Feed:
        """Return a feed that goes on behind some records."""
        feed = cls(records=list(records))
        feed._ends.update(each.tp for each in feed.records)
        return feed

    def add(self, topic: str, key: str | None, value: bytes | None, at: int, headers: Headers = ()) -> Record:
        """Append a record that is published at an instant (microseconds)."""
        tp = TP(topic, crc32((key or "").encode()) % PARTITIONS)
        encoded = None if key is None else key.encode()
        record = Record(tp, self.topic_id, self._ends[tp], at // 1000, encoded, value, headers)
        self._ends[tp] += 1
        self.records.append(record)
        return record

    def add_message(self, message: OutputMessage, at: int) -> Record:
        """Append an output."""
        match message:
            case DecisionMessage(body=body):
                topic, key = self.topics.decision(body.kind), body.case_id
            case ActionMessage(body=body):
                topic, key = self.topics.actions, body.case_id
            case _:
                assert isinstance(message, AlertMessage)
                topic, key = self.topics.alerts, message.alert_id
        return self.add(topic, key, encode_message(message), at, OUTPUT_HEADERS)

    def add_dead_letter(self, refused: Record, reason: str, at: int) -> Record:
        """Append the dead letter of a record."""
        tp, key, value, headers = refused.tp, refused.key, refused.value, tuple(refused.headers)
        letter = DeadLetter(
            topic=tp.topic, partition=tp.partition, offset=refused.offset, reason=reason, value=value, key=key
        )
        text = (key or b"").decode(errors="replace")
        assert not headers
        return self.add(self.topics.dead_letters, text, encode_dead_letter(letter), at, OUTPUT_HEADERS)


@cache
def simulated(jobs: int, seed: int = 1) -> tuple[Record, ...]:
    """Return the records of all topics of a simulated day, in the order in which they are published."""
    feed = Feed()
    options = SimulatorOptions(jobs=jobs, seed=seed, malformed_share=0.01, report_interval_s=60)
    for emitted in decide(list(_arrivals(feed, deliveries(options)))):
        feed.add_message(emitted.message, emitted.at)
    return tuple(sorted(feed.records, key=attrgetter("timestamp")))


def _arrivals(feed: Feed, lines: Iterable[Delivery]) -> Iterator[Arrival]:
    """Yield the events that are accepted; others become dead letters."""
    for line in lines:
        record = feed.add(TOPICS.of(line.type), line.key, line.line, line.arrive_at)
        try:
            event = decode_record(line.line, None, Limits(), line.arrive_at)
        except InvalidMessage as error:
            feed.add_dead_letter(record, error.reason, line.arrive_at)
        else:
            yield Arrival(line.arrive_at, line.line, event)


RECORDS = simulated(60)


def place(record: Record) -> str:
    """Return the place of a record, `topic-partition@offset`."""
    return f"{record.tp.name}@{record.offset}"


def positions_behind(records: Sequence[Record]) -> dict[TP, Position]:
    """Return the positions behind some records."""
    return {each.tp: Position(each.topic_id, each.offset + 1) for each in records}


def write(store: ReadModelStore, records: Sequence[Record], batch: int = 500) -> None:
    """Write records as a sink does, in batches."""
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        store.write(part, positions_behind(part))


def store_in(database: Database, now_us: int = NOW_US) -> ReadModelStore:
    """Return a store that reads all topics."""
    return ReadModelStore(database, EntryReader(TOPICS, Limits()), lambda: now_us)


def all_cases(model: SqlReadModel, wanted: CaseFilter, limit: int = 7) -> list[CaseSummary]:
    """Return all cases that match, page by page."""
    found, before = list[CaseSummary](), None
    while True:
        page = model.cases(wanted, before=before, limit=limit)
        found += page.cases
        if page.next_page is None:
            assert (page.count, page.is_more) == (len(found), False)
            return found
        assert len(page.cases) == limit
        before = page.next_page


def answers(model: SqlReadModel) -> list[object]:
    """Return what must not depend on the order in which topics are read."""
    overview = model.overview(NOW_US, hours=100_000, rows=1_000)
    cases = {
        each.case_id: replace(each, open_actions=tuple(sorted(each.open_actions)))
        for each in all_cases(model, CaseFilter())
    }
    partners = {one.partner_id for each in cases.values() for one in each.decisions if one.partner_id}
    return [
        cases,
        model.facets(),
        overview.hours,
        overview.open_actions,
        {row.id for row in overview.firing},
        {each.cause: each.count for each in overview.causes},
        model.policies(),
        {name: replace(found, alerts=()) for name in partners if (found := model.partner(name, limit=1_000))},
    ]


class Expected:
    """What records mean to the console, found out by going through all of them."""

    def __init__(self, records: Sequence[Record], topics: Topics = TOPICS) -> None:
        self._topics = topics
        self.at = {place(record): record for record in records}
        self.records = Counter(record.tp for record in records)
        self.unreadable: Counter[TP] = Counter()
        self.facts: dict[str, list[tuple[Record, AnyEvent]]] = defaultdict(list)
        self.reports: dict[str, list[tuple[Record, AnyEvent]]] = defaultdict(list)
        self.revisions: list[AnyDecision] = []
        self.decisions: dict[str, AnyDecision] = {}
        self.actions: dict[str, ActionMessage] = {}
        self.alerts: dict[str, AlertMessage] = {}
        self.dead_letters: list[DeadLetter] = []
        self.latest_at: dict[str, int] = {}
        self.hours: Counter[tuple[int, str, str, str]] = Counter()
        self._places: dict[tuple[str, str | None], set[str]] = defaultdict(set)
        for record in records:
            if record.tp.topic in topics.inputs:
                self._add_event(record)
            elif record.tp.topic == topics.dead_letters:
                self._add_dead_letter(record)
            else:
                self._add_message(record)
        self.engagements = self._engagements()
        self.claims = self._claims()

    def _add_event(self, record: Record) -> None:
        try:
            event = decode_record(record.value, None, Limits())
        except InvalidMessage:
            self.unreadable[record.tp] += 1
            return
        if isinstance(event.data, LocationReported):
            self.reports[event.subject].append((record, event))
        else:
            self.facts[event.subject].append((record, event))
            self._places["fact", event.subject].add(place(record))

    def _add_dead_letter(self, record: Record) -> None:
        letter = decode_dead_letter(record.value or b"")
        self.dead_letters.append(letter)
        self._count(record, "dead_letter", letter.reason.partition(":")[0], "")
        attributes = read_attributes(letter.value, None)
        subject = (letter.key or b"").decode() if attributes is None else attributes.subject
        if letter.topic != self._topics.locations:
            self._places["dead_letter", subject].add(place(record))

    def _add_message(self, record: Record) -> None:
        message = catalogue.decode_message(record.value or b"")
        case_id: str | None
        match message:
            case DecisionMessage(body=body):
                kind, name, outcome, case_id = "decision", body.kind, body.outcome, body.case_id
                self.revisions.append(message)
                known = self.decisions.get(message.decision_key)
                if known is None or message.revision > known.revision:
                    self.decisions[message.decision_key] = message
            case ActionMessage(body=body):
                kind, name, outcome, case_id = "action", body.code, body.state, body.case_id
                before = self.actions.get(message.action_id)
                if before is None or message.revision > before.revision:
                    self.actions[message.action_id] = message
            case _:
                assert isinstance(message, AlertMessage)
                kind, name, outcome = "alert", message.body.name, message.body.state
                case_id = message.subject if message.about == "case" else None
                self.alerts[message.alert_id] = message
        self._count(record, kind, name, outcome)
        self._places[kind, case_id].add(place(record))
        if case_id is not None:
            self.latest_at[case_id] = max(self.latest_at.get(case_id, 0), record.timestamp * 1000)

    def _count(self, record: Record, kind: str, name: str, outcome: str) -> None:
        self.hours[record.timestamp * 1000 // HOUR * HOUR, kind, name, outcome] += 1

    def _engagements(self) -> dict[tuple[str, str], bool]:
        """Return the partners of each case, and whether they were assigned to it."""
        found: dict[tuple[str, str], bool] = {}
        for each in self.revisions:
            if each.body.partner_id is not None:
                found.setdefault((each.body.partner_id, each.body.case_id), False)
        for case_id, facts in self.facts.items():
            for _, event in facts:
                for name in ("partner_id", "claimed_partner_id"):
                    if partner_id := getattr(event.data, name, None):
                        is_assigned = isinstance(event.data, JobAssigned)
                        found[partner_id, case_id] = found.get((partner_id, case_id), False) or is_assigned
        return found

    def _claims(self) -> dict[str, str]:
        """Return the partner of each out-of-scope ticket: the one it names, or the one in force."""
        found = {}
        for facts in self.facts.values():
            assigned = sorted(
                (event.time, event.data.partner_id) for _, event in facts if isinstance(event.data, JobAssigned)
            )
            for _, event in facts:
                ticket = event.data
                if isinstance(ticket, TicketCreated) and ticket.kind == "out_of_scope":
                    before = [partner for time, partner in assigned if time <= event.time]
                    partners = before or [partner for _, partner in assigned[:1]]
                    if ticket.partner_id or partners:
                        found[ticket.ticket_id] = ticket.partner_id or partners[-1]
        return found

    def open_actions(self) -> list[ActionMessage]:
        """Return the actions whose last revision is open."""
        return [each for each in self.actions.values() if each.body.state == "open"]

    def firing(self, at: int) -> set[str]:
        """Return the ids of the alerts that fire at an instant."""
        return {
            each.alert_id
            for each in self.alerts.values()
            if each.body.state == "firing" and (each.body.ends_at is None or each.body.ends_at > at)
        }

    def places(self, kind: str, case_id: str) -> set[str]:
        """Return where the records of a case are."""
        return self._places[kind, case_id]

    def reports_of(self, case_id: str) -> set[str]:
        """Return where the reports are that lie around a fact of a case."""
        times = [event.time for _, event in self.facts[case_id] if event.type != "job.booked"]
        partners = [partner_id for partner_id, case in self.engagements if case == case_id]
        return {
            place(record)
            for partner_id in partners
            for record, event in self.reports[partner_id]
            if any(time - REPORTS_BEFORE_US <= event.time <= time + REPORTS_AFTER_US for time in times)
        }

    def values(self, name: str) -> set[str]:
        """Return the values of a field of `CaseFilter` that occur in cases with messages."""
        return {value for case_id in self.latest_at for value in self._values(case_id, name)}

    def cases_with(self, **wanted: str) -> set[str]:
        """Return the cases that a filter selects, given by its fields."""
        of_case = {name: value for name, value in wanted.items() if name in {"city", "category", "action"}}
        of_decision = {name: value for name, value in wanted.items() if name not in of_case}
        return {
            case_id
            for case_id in self.latest_at
            if all(value in self._values(case_id, name) for name, value in of_case.items())
            and (not of_decision or any(_has(each, of_decision) for each in self._decisions_of(case_id)))
        }

    def _decisions_of(self, case_id: str) -> list[AnyDecision]:
        return [each for each in self.decisions.values() if each.body.case_id == case_id]

    def _values(self, case_id: str, name: str) -> set[str]:
        if name == "action":
            return {each.body.code for each in self.open_actions() if each.body.case_id == case_id}
        if name in {"city", "category"}:
            booked = [event for _, event in self.facts[case_id] if isinstance(event.data, JobBooked)]
            latest = max(booked, key=lambda event: event.time, default=None)
            return (
                set() if latest is None else {getattr(latest.data, name).casefold().replace("bengaluru", "bangalore")}
            )
        return {value for each in self._decisions_of(case_id) for value in _values(each, name)}

    @property
    def personal(self) -> set[object]:
        """What is personal in the facts: names, phones, customers, coordinates, links."""
        names = ("customer_id", "name", "phone", "payee_name", "payee_phone", "lat", "lon", "site", "url", "proof_url")
        found: set[object] = set()
        for each in (*self.facts.values(), *self.reports.values()):
            for _, event in each:
                for name in names:
                    value = getattr(event.data, name, None)
                    found |= {value.lat, value.lon} if isinstance(value, Site) else {value}
        return found - {None, ""}


def _has(decision: AnyDecision, wanted: Mapping[str, str]) -> bool:
    return all(value in _values(decision, name) for name, value in wanted.items())


def _values(decision: AnyDecision, name: str) -> set[str]:
    body = decision.body
    match name:
        case "clause" | "reason":
            return set(getattr(body, f"{name}s"))
        case "partner":
            return {body.partner_id} if body.partner_id else set()
        case _:
            return {getattr(body, name)}
