"""`python -m bench.read_model`: fills the console's read model, then times its queries while a writer goes on.

It prints records per second, and for each query the median and the 95th percentile in milliseconds. With the address
of an empty database of PostgreSQL (`--database postgresql://USER@HOST/DATABASE`) it does the same there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from agents.sops import catalogue
from agents.sops.out_of_scope.paf import PafDecision
from agents.sops.tagging import TaggingDecision
from schemas.codec.canonical_json import digest32
from schemas.codec.encoder import OUTPUT_HEADERS, decision_key, encode_message
from schemas.codec.limits import Limits
from schemas.outputs import ActionBody, ActionMessage, AlertBody, AlertMessage, DecisionBody, DecisionMessage
from schemas.timestamps import SECOND_US, format_instant
from streams.config.settings import Settings
from streams.process.clock import SystemClock
from streams.runtime.ports import TP
from surfaces.read_model.database import Database, open_database
from surfaces.read_model.entries import EntryReader
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.store import ReadModelStore
from surfaces.read_model.views import CaseFilter
from surfaces.sink.ports import Position, Record

TOPICS: Final = catalogue.topics()
PARTITIONS: Final = 4
BATCH: Final = 1_000
CITIES: Final = tuple(f"city {number:02}" for number in range(40))
CATEGORIES: Final = ("ac", "ro", "geyser", "washing machine", "fridge", "chimney")
OUTCOMES: Final = ("upheld", "waived", "reversal_scheduled", "under_review", "not_applicable")
REASONS: Final = ("no_claim", "awaiting_validation", "not_genuine", "presence_unknown", "booking_missing")
CLAUSES: Final = tuple(f"OOS-{number}" for number in range(1, 22))
CODES: Final = ("validate_claim", "call_customer", "call_partner", "follow_genuine_paf")
POLICY: Final = "default@71546665c1c7c1ea"
START_US: Final = 1_790_000_000 * SECOND_US


class Made:
    """Makes records of cases and partners, the same for the same seed."""

    def __init__(self, partners: int) -> None:
        self._random = random.Random(1)
        self._partners = partners
        self._ends: Counter[TP] = Counter()
        self.at = START_US

    def record(self, topic: str, key: str, value: bytes, *, is_output: bool) -> Record:
        """Return a record behind those made before."""
        tp = TP(topic, sum(key.encode()) % PARTITIONS)
        self._ends[tp] += 1
        self.at += 1_000
        headers = OUTPUT_HEADERS if is_output else ()
        return Record(tp, "id", self._ends[tp] - 1, self.at // 1000, key.encode(), value, headers)

    def event(self, topic: str, event_type: str, subject: str, **data: object) -> Record:
        """Return the record of an input event."""
        members = {"specversion": "1.0", "id": f"{subject}-{self.at}", "source": "/bench", "type": event_type}
        envelope = {**members, "subject": subject, "time": format_instant(self.at), "data": data}
        return self.record(topic, subject, orjson.dumps(envelope), is_output=False)

    def partner(self) -> str:
        """Return some partner."""
        return f"partner-{self._random.randrange(self._partners):05}"

    def report(self) -> Record:
        """Return a location report."""
        lat, lon = 18.5 + self._random.random() / 10, 73.8 + self._random.random() / 10
        return self.event(TOPICS.locations, "location.reported", self.partner(), lat=lat, lon=lon, accuracy_m=12.5)

    def case(self, number: int) -> Iterator[Record]:
        """Yield facts of a case and what is decided about it."""
        choose, case_id, partner = self._random.choice, f"job-{number:06}", self.partner()
        jobs, tickets, cancellations, _ = TOPICS.inputs
        site, when = {"lat": 18.52, "lon": 73.85}, "2026-11-22T10:00:00+05:30"
        booking = {"customer_id": "c-1", "category": choose(CATEGORIES), "city": choose(CITIES), "site": site}
        yield self.event(jobs, "job.booked", case_id, **booking, premises="residential", scheduled_for=when)
        yield self.event(jobs, "job.assigned", case_id, partner_id=partner)
        ticket = {"ticket_id": f"t-{number:06}", "kind": "out_of_scope", "opened_by": "partner"}
        yield self.event(tickets, "ticket.created", case_id, **ticket)
        cancelled = {"by": "partner", "reason": "pro_cannot_deliver", "marked_against": "partner"}
        yield self.event(cancellations, "cancellation.recorded", case_id, **cancelled)
        for revision in (1, 2):
            yield self.decision(TaggingDecision, case_id, partner, "partner_led_cancellation/out_of_scope", revision)
            yield self.decision(PafDecision, case_id, partner, choose(OUTCOMES), revision)
        yield self.action(case_id, partner, choose(CODES), "open", 1)
        if number % 3:
            yield self.action(case_id, partner, CODES[number % len(CODES)], "done", 2)
        if number % 4 == 0:
            yield self.alert(case_id, partner)

    def decision(self, kind: type[DecisionBody], case_id: str, partner: str, outcome: str, revision: int) -> Record:
        """Return a revision of a decision."""
        body = kind(
            subject_of="out_of_scope",
            case_id=case_id,
            partner_id=partner,
            status=self._random.choice(("provisional", "final", "final")),
            outcome=outcome,
            reasons=(self._random.choice(REASONS),),
            clauses=tuple(sorted(self._random.sample(CLAUSES, 2))),
            evidence=("/bench#1", "/bench#2"),
            policy=POLICY,
            effective_at=self.at,
        )
        key = decision_key(case_id, body.kind, "out_of_scope", partner)
        message = DecisionMessage(
            body=body,
            decision_id=digest32(f"{key}{revision}".encode()),
            content_hash=digest32(key.encode()),
            revision=revision,
            supersedes=None,
            changed=(),
            explanation="It is decided for a benchmark.",
            decision_key=key,
        )
        return self.record(TOPICS.decision(body.kind), case_id, encode_message(message), is_output=True)

    def action(self, case_id: str, partner: str, code: str, state: str, revision: int) -> Record:
        """Return a revision of an action."""
        body = ActionBody(
            code=code,
            case_id=case_id,
            partner_id=partner,
            state="open" if state == "open" else "done",
            clauses=("OOS-10",),
            evidence=("/bench#1",),
            due_at=self.at + 3600 * SECOND_US,
            time=self.at,
        )
        message = ActionMessage(body=body, action_id=digest32(f"{case_id}{code}".encode()), revision=revision)
        return self.record(TOPICS.actions, case_id, encode_message(message), is_output=True)

    def alert(self, case_id: str, partner: str) -> Record:
        """Return an alert that fires."""
        body = AlertBody(
            name="ticket_outside_geofence",
            severity="info",
            state="firing",
            key=("case_id", "partner_id"),
            labels={"case_id": case_id, "partner_id": partner},
            summary="It fires for a benchmark.",
            evidence=("/bench#1",),
            starts_at=self.at,
            ends_at=self.at + 86_400 * SECOND_US,
        )
        message = AlertMessage(body=body, alert_id=digest32(case_id.encode()), subject=case_id)
        return self.record(TOPICS.alerts, message.alert_id, encode_message(message), is_output=True)


def records(made: Made, cases: int, events: int) -> Iterator[Record]:
    """Yield the records of so many cases and, between them, of so many input events in all."""
    reports = (events - 4 * cases) // cases
    for number in range(cases):
        yield from made.case(number)
        for _ in range(reports):
            yield made.report()


def write(store: ReadModelStore, batch: Sequence[Record]) -> None:
    """Write a batch as a sink does."""
    store.write(batch, {each.tp: Position(each.topic_id, each.offset + 1) for each in batch})


def fill(store: ReadModelStore, made: Made, cases: int, events: int) -> None:
    """Fill the store, and print how fast that was; making the records does not count."""
    spent_s, count = 0.0, 0
    source = records(made, cases, events)
    while batch := list(islice(source, BATCH)):
        started = time.perf_counter()
        write(store, batch)
        spent_s += time.perf_counter() - started
        count += len(batch)
    print(f"{count} records ({events} events of {cases} cases) in {spent_s:.0f} s: {count / spent_s:.0f} records/s")


class Writer(threading.Thread):
    """Goes on deciding cases at a rate (decisions per second), a fifth of a second's worth at a time."""

    def __init__(self, store: ReadModelStore, made: Made, cases: int, rate: int) -> None:
        super().__init__()
        self._store, self._made, self._cases, self._rate = store, made, cases, rate
        self.stopping = threading.Event()
        self.written = 0
        self.lags_s: list[float] = []

    def run(self) -> None:
        """Write until `stopping` is set."""
        choose, due_s, revision = random.Random(2).randrange, time.perf_counter(), 2
        while not self.stopping.is_set():
            revision += 1
            batch = [
                self._made.decision(
                    PafDecision, f"job-{choose(self._cases):06}", self._made.partner(), OUTCOMES[revision % 5], revision
                )
                for _ in range(self._rate // 5)
            ]
            write(self._store, batch)
            self.written += len(batch)
            due_s += 0.2
            self.lags_s.append(time.perf_counter() - due_s + 0.2)
            self.stopping.wait(max(due_s - time.perf_counter(), 0))


def questions(model: SqlReadModel, cases: int, partners: int) -> dict[str, Callable[[], object]]:
    """Return the queries to time, by name; each call asks about something else."""
    draw = random.Random(3)
    now = SystemClock().now_us

    def filtered(**fields: Callable[[], Any]) -> Callable[[], object]:
        return lambda: model.cases(replace(CaseFilter(), **{name: value() for name, value in fields.items()}))

    def case_id() -> str:
        return f"job-{draw.randrange(cases):06}"

    def partner() -> str:
        return f"partner-{draw.randrange(partners):05}"

    seq = model.overview(START_US).last_seq
    page = model.cases(CaseFilter()).next_page
    ids = [each.decisions[0].decision_id for each in model.cases(CaseFilter(), limit=50).cases]
    city, category = (lambda: draw.choice(CITIES)), (lambda: draw.choice(CATEGORIES))
    outcome, reason = (lambda: draw.choice(OUTCOMES)), (lambda: draw.choice(REASONS))
    clause, code = (lambda: draw.choice(CLAUSES)), (lambda: draw.choice(CODES))
    return {
        "overview": lambda: model.overview(now()),
        "overview, when everything fires": lambda: model.overview(START_US),
        "changes": lambda: model.changes(seq),
        "facets": model.facets,
        "cases": lambda: model.cases(CaseFilter()),
        "cases, next page": lambda: model.cases(CaseFilter(), before=page),
        "cases by kind": filtered(kind=lambda: "paf"),
        "cases by outcome": filtered(outcome=outcome),
        "cases by status": filtered(status=lambda: "provisional"),
        "cases by city": filtered(city=city),
        "cases by category": filtered(category=category),
        "cases by partner": filtered(partner=partner),
        "cases by clause": filtered(clause=clause),
        "cases by reason": filtered(reason=reason),
        "cases by open action": filtered(action=code),
        "cases by kind, outcome, city": filtered(kind=lambda: "paf", outcome=outcome, city=city),
        "cases by clause, reason, category": filtered(clause=clause, reason=reason, category=category),
        "cases by everything": filtered(
            kind=lambda: "paf",
            outcome=outcome,
            status=lambda: "final",
            city=city,
            category=category,
            clause=clause,
            reason=reason,
            action=code,
        ),
        "cases that do not exist": filtered(kind=lambda: "tagging", outcome=lambda: "upheld"),
        "cases of an hour": lambda: model.cases(CaseFilter(since=START_US, until=START_US + 3600 * SECOND_US)),
        "find a case": lambda: model.find(case_id()),
        "find a prefix": lambda: model.find("job-0"),
        "find a decision": lambda: model.find(draw.choice(ids)),
        "case": lambda: model.case(case_id()),
        "partner": lambda: model.partner(partner()),
        "dead letters": lambda: model.dead_letters(cause="data.lat"),
        "policies": model.policies,
        "positions": model.positions,
    }


def measure(asked: dict[str, Callable[[], object]], rounds: int) -> None:
    """Ask everything in turn, and print how long it took."""
    spent: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, ask in asked.items():
            started = time.perf_counter()
            ask()
            spent[name].append((time.perf_counter() - started) * 1000)
    for name, each in spent.items():
        p95 = statistics.quantiles(each, n=20)[-1] if len(each) > 1 else each[0]
        print(f"{name:35} {statistics.median(each):8.1f} {p95:8.1f}")


def run(database: Database, cases: int, events: int, rounds: int, rate: int) -> None:
    """Fill a database, and time its queries beside a writer."""
    partners = max(cases // 25, 1)
    store = ReadModelStore(database, EntryReader(TOPICS, Limits()), SystemClock().now_us)
    made = Made(partners)
    try:
        fill(store, made, cases, events)
        if database.writer.dialect.name == "postgresql":  # in operation, its autovacuum does so
            with database.writing() as connection:
                connection.exec_driver_sql("ANALYZE")
        writer = Writer(store, made, cases, rate)
        started = time.perf_counter()
        writer.start()
        print(f"{'milliseconds':35} {'median':>8} {'p95':>8}   beside a writer at {rate} decisions/s")
        try:
            measure(questions(SqlReadModel(database), cases, partners), rounds)
        finally:
            writer.stopping.set()
            writer.join()
        rate_kept = writer.written / (time.perf_counter() - started)
        print(f"{rate_kept:.0f} decisions/s were written, each at most {max(writer.lags_s):.2f} s late")
    finally:
        store.close()


def main() -> None:
    """Run the benchmark on SQLite, and on PostgreSQL where an address is given."""
    parser = argparse.ArgumentParser(prog="python -m bench.read_model", description=__doc__)
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--database", default="", help="an empty database of PostgreSQL")
    arguments = parser.parse_args()
    size = (arguments.cases, arguments.events, arguments.rounds, arguments.rate)
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        run(open_database(Settings(data_dir=folder)), *size)
        file = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"{file / 1e6:.0f} MB")
    if arguments.database:
        print("PostgreSQL")
        run(open_database(Settings(database_url=arguments.database)), *size)


if __name__ == "__main__":
    main()
