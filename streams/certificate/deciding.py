"""Decides a case anew, revision by revision, from what the worker had read when it made each.

A revision says at which positions of the inputs it was decided, and up to which instant deadlines were taken as passed.
What the worker had applied to the case by then follows from the archive: the records of its own partition number before
these positions, presence answers and forwarded events among them, without those that went to the dead letters or to
another partition. In which order it had read them has no effect (runtime.md, "The case").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby
from sys import maxsize
from typing import Final, NamedTuple

import msgspec

from agents.case.case import Case
from agents.case_agent import CaseAgent
from agents.presence.queries import PresenceAnswer
from agents.sops.catalogue import decode_message
from agents.sops.keys import decision_key
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent, Event
from schemas.outputs import AnyDecision, DecisionKey, DecisionMessage
from schemas.policy.model import PolicySet
from schemas.timestamps import format_instant
from schemas.topics import Topics
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.certificate.findings import Finding, JsonObject, Status, compare
from streams.certificate.histories import Filed, History, OfPartition, Open, Passed
from streams.policies.history import PolicyHistory
from streams.processor.decoder import RecordDecoder
from streams.runtime.ports import TP
from streams.runtime.positions import parse_inputs


class Span(NamedTuple):
    """The instants (milliseconds) between which revisions were published that are compared; the last is outside."""

    begin: int = 0
    end: int = maxsize

    def __contains__(self, timestamp: object) -> bool:
        return isinstance(timestamp, int) and self.begin <= timestamp < self.end


class Archived(NamedTuple):
    """A revision in the archive."""

    message: AnyDecision
    envelope: JsonObject
    """All that the record says."""
    place: str
    record: ArchivedRecord
    positions: Mapping[str, int]
    is_erased: bool

    @property
    def moment(self) -> tuple[int, int]:
        """What orders evaluations: positions, which never go back, and the instant."""
        return sum(self.positions.values()), self.message.asof or 0


class LastMoment(NamedTuple):
    """How far a worker had certainly come with a partition number: its last evaluation that is in the archive."""

    positions: Mapping[str, int]
    asof: int


class Deciding:
    """Decides cases of an archive anew."""

    def __init__(
        self, topics: Topics, policies: PolicyHistory, limits: Limits, passed: Passed, span: Span, open_record: Open
    ) -> None:
        self.passed, self.span, self.open_record = passed, span, open_record
        self.decoder: Final = RecordDecoder(topics, limits)
        self._policies = policies
        self._agents: dict[int, tuple[PolicySet, CaseAgent]] = {}

    def findings(self, of_partition: OfPartition) -> Iterator[Finding]:
        """Yield what is found about cases of one partition number."""
        archived: list[list[Archived]] = []
        for history in of_partition.histories:
            archived.append([])
            for name, record in history.decisions:
                try:
                    archived[-1].append(self._archived(name, record))
                except InvalidMessage as error:
                    if record.timestamp in self.span:
                        yield _unreadable(name.tp, record, error.reason)
        last = self._last_moment(chain(*archived, self._readable(of_partition.last)))
        for history, revisions in zip(of_partition.histories, archived, strict=True):
            yield from _Case(self, history).findings(sorted(revisions, key=lambda each: each.moment), last)

    def _last_moment(self, archived: Iterable[Archived]) -> LastMoment | None:
        """Return how far the worker had come with the last of some revisions that is in time."""
        in_time = (each for each in archived if each.record.timestamp < self.span.end)
        latest = max(in_time, key=lambda each: each.moment, default=None)
        if latest is None:
            return None
        return LastMoment(latest.positions, latest.message.asof or 0)

    def _readable(self, records: Iterable[Filed]) -> Iterator[Archived]:
        for name, record in records:
            with suppress(InvalidMessage):
                yield self._archived(name, record)

    def _archived(self, name: SegmentName, record: ArchivedRecord) -> Archived:
        place = f"{name.tp.name}@{record.offset}"
        opened = self.open_record(name, record)
        record = opened or record
        message = decode_message(record.value or b"")
        if not isinstance(message, DecisionMessage):
            raise InvalidMessage("type: not a decision")
        try:
            positions = parse_inputs(message.inputs or "")
            envelope = msgspec.json.decode(record.value or b"")
        except ValueError as error:
            raise InvalidMessage(f"inputs: no positions, or no JSON ({error})") from None
        if not positions or message.asof is None:
            raise InvalidMessage("inputs, asof: it does not say at which positions and instant it was decided")
        return Archived(message, envelope, place, record, positions, opened is None)

    def agent(self, positions: Mapping[str, int]) -> CaseAgent:
        """Return the agent that decides under the policies that workers knew then."""
        policies = self._policies.at(positions)
        if id(policies) not in self._agents:
            self._agents[id(policies)] = policies, CaseAgent(policies, facts_max=maxsize)
        return self._agents[id(policies)][1]

    def unknown(self, policy: str) -> str | None:
        """Return what is to be said of a policy by its name if it is not among those that are known."""
        return None if policy in self._policies.names else f"the policy {policy} is not known"


class _Case:
    """One case, as the worker had it at one evaluation after the other."""

    def __init__(self, deciding: Deciding, history: History) -> None:
        self._deciding, self._history = deciding, history
        self._case = Case(history.case_id)
        self._applied = dict.fromkeys(history.read, 0)
        """How many records of each topic have been applied."""
        self._refused: list[tuple[int, AnyEvent]] = []
        """Events that were refused, and when (milliseconds)."""
        self._erased: str | None = None
        """The first record that was needed and is erased."""
        self._chains: dict[DecisionKey, AnyDecision] = {}
        """The last revision of each decision in the archive."""
        self._awaited: dict[DecisionKey, AnyDecision] = {}
        """What an evaluation ought to have emitted as well. If Kafka lost that, a later one did (runtime.md)."""
        self._found: dict[DecisionKey, str] = {}
        """The content of each decision when it was last decided anew and compared."""

    def findings(self, revisions: Sequence[Archived], last: LastMoment | None) -> Iterator[Finding]:
        """Yield what is found about revisions, which come in the order of their moments, and what is missing."""
        timestamp = 0
        for _, group in groupby(revisions, key=lambda each: (each.message.inputs, each.message.asof)):
            evaluation = list(group)
            timestamp = evaluation[0].record.timestamp
            yield from self._evaluation(evaluation, is_compared=timestamp in self._deciding.span)
        if last is not None and timestamp < self._deciding.span.end:
            self._await(self._standing(last))
        yield from map(_missing, self._awaited.values())

    def _evaluation(self, evaluation: Sequence[Archived], *, is_compared: bool) -> Iterator[Finding]:
        """Yield what is found about the revisions that one evaluation has emitted."""
        first = evaluation[0]
        agent = self._agent(first.positions)
        decided: dict[DecisionKey, AnyDecision] = {}
        if is_compared and self._erased is None:
            decided = self._decided(agent, evaluation)
        for each in evaluation:
            key = decision_key(each.message.body)
            found = decided.pop(key, None)
            if is_compared:
                yield from self._skipped(each, key)
                yield self._finding(each, found, is_next=self._is_next(each, key))
            self._awaited.pop(key, None)
            if found is not None:
                self._found[key] = found.content_hash
            if found is not None or not is_compared or self._erased is not None or each.is_erased:
                self._chains[key] = each.message
        self._await(decided)

    def _await(self, decided: Mapping[DecisionKey, AnyDecision]) -> None:
        """Await what was decided anew and not emitted, unless that only repeats a difference that was found before."""
        self._awaited.update({key: each for key, each in decided.items() if self._found.get(key) != each.content_hash})

    def _skipped(self, archived: Archived, key: DecisionKey) -> Iterator[Finding]:
        """Yield the revisions between one and the last one before it in the archive."""
        before = self._chains.get(key)
        message = archived.message
        for revision in range(before.revision + 1 if before else 1, message.revision):
            superseded = message.supersedes if revision == message.revision - 1 else None
            yield Finding(
                decision_key=message.decision_key,
                revision=revision,
                status="missing",
                decision_id=superseded,
                why=f"{archived.place} comes after it",
            )

    def _is_next(self, archived: Archived, key: DecisionKey) -> bool:
        """Return whether no revision is missing between one and the last one before it in the archive."""
        before = self._chains.get(key)
        return archived.message.revision <= (0 if before is None else before.revision) + 1

    def _finding(self, archived: Archived, decided: AnyDecision | None, *, is_next: bool) -> Finding:
        """Return whether a revision is the one that was decided anew, if any was for its key."""
        if archived.is_erased or self._erased is not None:
            return _about(archived, "erased", f"{self._erased or archived.place} is erased")
        if decided is None:
            extra = _about(archived, "extra", "decided anew, nothing changes here")
            return msgspec.structs.replace(extra, rests_on=archived.message.body.evidence)
        found = compare(archived.envelope, decided, is_next=is_next)
        if found is None:
            return _about(archived, "same")
        return msgspec.structs.replace(
            found,
            revision=archived.message.revision,
            place=archived.place,
            decision_id=archived.message.decision_id,
            inputs=archived.message.inputs,
            asof=format_instant(archived.message.asof or 0),
            why=self._deciding.unknown(archived.message.body.policy),
        )

    def _decided(self, agent: CaseAgent, evaluation: Sequence[Archived]) -> dict[DecisionKey, AnyDecision]:
        """Return what one evaluation decided, anew.

        An owner that has lost its state reads the inputs in another order, and may then find a case full of other facts
        than its predecessor. What was refused only after the evaluation counted for it, if that is what leads to it.
        """
        first = evaluation[0]
        asof, inputs = first.message.asof or 0, first.message.inputs
        decided = self._decisions(agent, self._case, asof, inputs)
        accepted = [event for refused_at, event in self._refused if refused_at > first.record.timestamp]
        if not accepted or self._are_same(evaluation, decided):
            return decided
        before = Case(self._case.case_id)
        before.facts, before.answers = dict(self._case.facts), dict(self._case.answers)
        agent.cases = {before.case_id: before}
        for event in accepted:
            agent.receive(event)
        agent.new_presence_queries(before.case_id)
        then = self._decisions(agent, before, asof, inputs)
        agent.cases = {before.case_id: self._case}
        return then if self._are_same(evaluation, then) else decided

    def _are_same(self, evaluation: Sequence[Archived], decided: Mapping[DecisionKey, AnyDecision]) -> bool:
        """Return whether an evaluation has emitted what was decided anew, and nothing else."""
        keys = [decision_key(each.message.body) for each in evaluation]
        return set(keys) == decided.keys() and all(
            compare(each.envelope, decided[key], is_next=self._is_next(each, key)) is None
            for each, key in zip(evaluation, keys, strict=True)
        )

    def _standing(self, last: LastMoment) -> dict[DecisionKey, AnyDecision]:
        """Return what ought to have been decided by then and was not; while an answer is awaited, nothing."""
        agent = self._agent(last.positions)
        if self._erased is not None or self._case.awaits_answer():
            return {}
        return self._decisions(agent, self._case, last.asof, None)

    def _decisions(self, agent: CaseAgent, case: Case, asof: int, inputs: str | None) -> dict[DecisionKey, AnyDecision]:
        """Return what is decided anew after what is in the archive, by key."""
        case.emitted.decisions = dict(self._chains)
        messages = agent.decide(case.case_id, asof, inputs).messages
        return {decision_key(each.body): each for each in messages if isinstance(each, DecisionMessage)}

    def _agent(self, positions: Mapping[str, int]) -> CaseAgent:
        """Return the agent that has the case as it was at some positions."""
        agent = self._deciding.agent(positions)
        agent.cases = {self._history.case_id: self._case}
        self._case.queried_view = None  # the policy may be another one
        for topic, records in self._history.read.items():
            tp = TP(topic, self._history.partition)
            end, at = positions.get(tp.name, 0), self._applied[topic]
            while at < len(records) and records[at][1].offset < end:
                self._apply(agent, *records[at])
                at += 1
            self._applied[topic] = at
        agent.new_presence_queries(self._case.case_id)  # and empty answers that are no longer asked for are dropped
        return agent

    def _apply(self, agent: CaseAgent, name: SegmentName, record: ArchivedRecord) -> None:
        """Apply a record as the worker did that read it there."""
        passed, place = self._deciding.passed, (*name.tp, record.offset)
        opened = self._deciding.open_record(name, record)
        if opened is None:
            if place not in passed.refused:
                self._erased = self._erased or f"{name.tp.name}@{record.offset}"
            return
        decoded = self._deciding.decoder.decode(name.tp, opened, None)
        if decoded.forwarded_from is None and place in passed.forwarded:
            return
        refused_at = passed.refused.get(decoded.origin.record_id)
        content = decoded.content
        if isinstance(content, PresenceAnswer):
            agent.apply_answer(content)
        elif isinstance(content, Event) and content.subject == self._history.case_id:
            if refused_at is None:
                agent.receive(content)
            else:
                self._refused.append((refused_at, content))


def _about(archived: Archived, status: Status, why: str | None = None) -> Finding:
    message = archived.message
    return Finding(
        decision_key=message.decision_key,
        revision=message.revision,
        status=status,
        place=archived.place,
        decision_id=message.decision_id,
        inputs=message.inputs,
        asof=format_instant(message.asof or 0),
        why=why,
    )


def _missing(decided: AnyDecision) -> Finding:
    """Return what is to be said of a revision that nobody emitted."""
    body = decided.body
    return Finding(
        decision_key=decided.decision_key,
        revision=decided.revision,
        status="missing",
        inputs=decided.inputs,
        asof=None if decided.asof is None else format_instant(decided.asof),
        why=f"decided anew as {body.outcome}, {body.status}",
        rests_on=body.evidence,
    )


def _unreadable(tp: TP, record: ArchivedRecord, reason: str) -> Finding:
    place = f"{tp.name}@{record.offset}"
    return Finding(decision_key=place, revision=0, status="extra", place=place, why=reason)
