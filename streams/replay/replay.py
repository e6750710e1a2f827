"""Replays recorded events through the agents in event-time order, on a virtual clock (contracts.md, "Command line").

At each instant the agents first receive all facts and location reports, then exchange presence answers, then handle
deadlines, then decide each affected case once; then the anomaly agent compares the cases. So the output depends only on
the set of events.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

from agents.anomalies.messages import Contribution
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.codec.canonical_json import digest32
from schemas.codec.encoder import encode_dead_letter, encode_message
from schemas.codec.limits import Limits
from schemas.events import LOCATION_REPORT, AnyEvent, CaseErased
from schemas.outputs import DeadLetter, OutputMessage
from schemas.policy.model import PolicySet
from streams.replay.anomalies import CONTRIBUTION, OF_CASE, OF_PARTNER, with_anomalies
from streams.replay.deduplicate import RefusedRecord, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.look_ahead import LookAhead
from streams.runtime.timers import TimerQueue

BEFORE_ALL: Final = -(1 << 62)
"""An instant before any that an event can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How to replay an input.

    The clock ends at `until` (microseconds). If that is None it ends with the last event, and `now` is the present:
    events too far in its future are refused.
    """

    policies: PolicySet
    limits: Limits
    facts_per_case_max: int
    until: int | None = None
    now: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """Counts of accepted events, duplicates, refused records and cases; `lines` is an iterator over the output.

    Lines are CloudEvents in JSON: first the dead letters in input order, then the messages as they are due.
    """

    events: int
    duplicates: int
    refused: int
    cases: int
    lines: Iterator[bytes]


class Emission(NamedTuple):
    """An output message and its sort key: (`at`, `source`, `subject`, `number`)."""

    at: int
    """The instant at which the message is due, in microseconds."""
    source: int
    """At one instant, messages about cases come before messages about partners (`streams.replay.anomalies`)."""
    subject: str
    number: int
    """Position among the messages of this subject at this instant."""
    message: OutputMessage


class Contributed(NamedTuple):
    """What a case contributes to watches at an instant, after the same sort key."""

    at: int
    source: int
    subject: str
    number: int
    contributions: list[Contribution]


class Replay:
    """One run over deduplicated events, under the given policies."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self.cases = CaseAgent(policies, facts_max=sys.maxsize)  # deduplication has already enforced the limit
        self._locations = LocationAgent(policies)
        self._timers = TimerQueue()

    def run(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[OutputMessage]:
        """Yield every message in the order in which it is due; the arguments are those of `steps`."""
        return with_anomalies(self.steps(events, until), self._policies)

    def steps(self, events: Sequence[AnyEvent], until: int | None = None) -> Iterator[Emission | Contributed]:
        """Yield every message of a case or partner in the order in which it is due, and all contributions to watches.

        `events` are accepted events, each once, in any order. The clock ends at `until` (microseconds; default: with
        the last event): later events are ignored, deadlines due at `until` have passed.
        """
        until = last_instant(events) if until is None else until
        facts = sorted((event for event in events if event.type != LOCATION_REPORT), key=lambda event: event.order)
        reports = (event for event in events if event.type == LOCATION_REPORT)
        look_ahead = LookAhead(self._locations, reports, _query_times(facts), until)
        at = 0
        while True:
            instants = (facts[at].time if at < len(facts) else None, self._timers.next(), look_ahead.next())
            now = min((instant for instant in instants if instant is not None), default=None)
            if now is None or now > until:
                return
            case_ids: set[str] = set()
            taken_back: dict[str, list[Contribution]] = {}
            while at < len(facts) and facts[at].time == now:
                fact, at = facts[at], at + 1
                if type(fact.data) is CaseErased:
                    taken_back[fact.subject] = self._erase(fact.subject)
                    case_ids.discard(fact.subject)
                elif self.cases.receive(fact) == "applied":
                    case_ids.add(fact.subject)
            paused = look_ahead.paused_at(now)
            yield from self._evaluate(now, case_ids, {*paused}, taken_back)
            look_ahead.resume(paused, now)

    def _erase(self, case_id: str) -> list[Contribution]:
        """Have a case depart, and return what it takes back."""
        self._timers.set(case_id, None)
        erasure = self.cases.erase(case_id)
        return [] if erasure is None else erasure.contributions

    def _evaluate(
        self, now: int, case_ids: set[str], partner_ids: set[str], taken_back: Mapping[str, list[Contribution]]
    ) -> Iterator[Emission | Contributed]:
        """Yield what the cases with new facts and the partners with new reports lead to at one instant.

        `taken_back` is what erased cases contribute no more.
        """
        new = {each: self.cases.new_contributions(each) for each in case_ids}
        contributed = sorted({**new, **taken_back}.items())
        self._exchange(case_ids, partner_ids)
        case_ids.update(self._timers.due(now))
        for case_id in sorted(case_ids):
            decided = self.cases.decide(case_id, now)
            self._timers.set(case_id, decided.next_deadline)
            for number, message in enumerate(decided.messages):
                yield Emission(now, OF_CASE, case_id, number, message)
        for partner_id in sorted(partner_ids):
            for number, alert in enumerate(self._locations.new_alerts(partner_id)):
                yield Emission(now, OF_PARTNER, partner_id, number, alert)
        for case_id, contributions in contributed:
            if contributions:
                yield Contributed(now, CONTRIBUTION, case_id, 0, contributions)

    def _exchange(self, case_ids: set[str], partner_ids: set[str]) -> None:
        """Have partners answer the presence queries of cases; add the partners that were asked and the cases told."""
        for case_id in sorted(case_ids):
            for query in self.cases.new_presence_queries(case_id):
                self._locations.query(query)
                partner_ids.add(query.partner_id)
        for partner_id in sorted(partner_ids):
            for answer in self._locations.new_answers(partner_id, {}):
                if self.cases.apply_answer(answer):
                    case_ids.add(answer.query.case_id)


def _query_times(facts: Iterable[AnyEvent]) -> dict[str, set[int]]:
    """Return for each partner the times of all facts of the cases that name the partner.

    Only at these instants can a case query the partner's presence.
    """
    times: dict[str, set[int]] = {}
    named: dict[str, set[str]] = {}
    for fact in facts:
        times.setdefault(fact.subject, set()).add(fact.time)
        partner = getattr(fact.data, "partner_id", None)
        if partner is not None:
            named.setdefault(partner, set()).add(fact.subject)
    return {partner: set().union(*map(times.__getitem__, cases)) for partner, cases in named.items()}


def replay_sequentially(records: Iterable[InputRecord], settings: ReplaySettings) -> ReplayResult:
    """Deduplicate the records of a whole input and replay the accepted events."""
    unique = deduplicate(enumerate(records), settings.limits, settings.now, settings.facts_per_case_max)
    until = end_of_clock(settings, last_instant(unique.events))
    messages = Replay(settings.policies).run(unique.events, until)
    return ReplayResult(
        events=len(unique.events),
        duplicates=unique.duplicates,
        refused=len(unique.refused),
        cases=case_count(unique.events, until),
        lines=chain(map(encode_refused, unique.refused), map(encode_message, messages)),
    )


def last_instant(events: Iterable[AnyEvent]) -> int:
    """Return the latest time of events in microseconds, `BEFORE_ALL` if there are none."""
    return max((event.time for event in events), default=BEFORE_ALL)


def end_of_clock(settings: ReplaySettings, last: int) -> int:
    """Return the end of the clock, given the time of the last event (both in microseconds)."""
    return last if settings.until is None else settings.until


def case_count(events: Iterable[AnyEvent], until: int) -> int:
    """Return how many cases have a fact by the end of the clock."""
    return len({event.subject for event in events if event.type != LOCATION_REPORT and event.time <= until})


def encode_refused(refused: RefusedRecord) -> bytes:
    """Return the dead letter of a refused record.

    The id of a record in a file depends on the file's number and the line's content, not on the folder of the file.
    """
    record = refused.record
    id_topic = None if record.input_number is None else f"{record.input_number}/{digest32(record.value or b'')}"
    dead_letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=refused.reason,
        value=record.value,
        key=record.key,
        headers=tuple(record.headers),
    )
    return encode_dead_letter(dead_letter, id_topic=id_topic)
