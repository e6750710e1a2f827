"""What must hold at the end of a run, whatever faults were injected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agents.case_agent import CaseAgent
from agents.presence.queries import PresenceAnswer
from agents.sops import catalogue
from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from agents.sops.keys import decision_key
from schemas.codec.encoder import decode_dead_letter
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.outputs import (
    ActionMessage,
    AlertBody,
    AlertMessage,
    AnyDecision,
    DeadLetter,
    DecisionMessage,
    OutputMessage,
)
from streams.processor.decoder import RecordId, partition_of
from streams.processor.internal_messages import AnswerMessage, unpack
from streams.processor.subject import WATCH, alert_subject
from streams.replay.anomalies import CONTRIBUTION, with_anomalies
from streams.replay.deduplicate import deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import Replay
from streams.runtime.layout import of_other_topics
from streams.runtime.ports import TP
from streams.runtime.positions import has_reached, parse_inputs
from streams.runtime.progress import PROGRESS_KEY, unpack_progress
from tests.current_state import CurrentState, condition_of, current_state
from tests.simulation.world import World

MOMENTS: Final = frozenset(each.name for each in CROSS_CASE_ALERTS if each.is_moment)


def check(world: World, ends_at: int) -> list[str]:
    """Return the violations, one line each."""
    return [
        *world.expiry.wrong,
        *_accounting(world),
        *_dead_letters(world),
        *_only_poison_is_given_up(world),
        *_chains(world),
        *_latest_decisions(world),
        *_emitted_once(world),
        *_same_as_replay(world, ends_at),
    ]


def _latest_now(world: World, partition: int) -> int:
    """Return the latest instant of an owner of a number, whose clock may have been ahead."""
    published = (
        unpack_progress(record.value).now
        for record in world.kafka.committed(TP(world.topics.progress, partition))
        if record.key == PROGRESS_KEY and record.value is not None
    )
    return max(published, default=0)


def _emitted(world: World) -> Iterator[tuple[TP, OutputMessage]]:
    for topic in world.topics.outputs:
        if topic == world.topics.dead_letters:
            continue
        for partition in range(world.partitions):
            tp = TP(topic, partition)
            for record in world.kafka.ever_committed(tp):
                assert record.value is not None
                yield tp, catalogue.decode_message(record.value)


def dead_letters(world: World) -> list[DeadLetter]:
    """Return the dead letters by partition, in log order."""
    return [
        decode_dead_letter(record.value or b"")
        for partition in range(world.partitions)
        for record in world.kafka.ever_committed(TP(world.topics.dead_letters, partition))
    ]


def _lost_outputs(world: World) -> tuple[set[str], set[RecordId]]:
    """Return the cases and partners whose outputs may be repeated, and the records that may be refused again."""
    subjects, places = set[str](), set[RecordId]()
    for tp, record in world.expiry.lost_outputs:
        assert record.value is not None
        if tp.topic == world.topics.dead_letters:
            letter = decode_dead_letter(record.value)
            subjects.add((letter.key or b"").decode())
            places.add((letter.topic, letter.partition, letter.offset))
        else:
            subjects.add(_subject(catalogue.decode_message(record.value)))
    return subjects, places


def _subject(message: OutputMessage) -> str:
    return message.subject if isinstance(message, AlertMessage) else message.body.case_id


def _accounting(world: World) -> Iterator[str]:
    """Every consumed record has one disposition, and nothing is held back."""
    for number, task in world.tasks.items():
        for tp in task._inputs:
            records = len(world.kafka.ever_committed(tp))
            consumed = task.progress().consumed.get(tp.name, 0)
            dispositions = world.processors[number].dispositions.copy().get(tp.name, {})
            lost = world.expiry.count_lost(tp)
            if sum(dispositions.values()) != consumed or not records - lost <= consumed <= records:
                yield f"{tp.name}: {records} records, {lost} lost, {consumed} consumed, but {dispositions}"
        if task._is_catching_up() or world.processors[number]._outbox._records:
            yield f"{number} still holds something back"


def _dead_letters(world: World) -> Iterator[str]:
    _, again = _lost_outputs(world)
    places = Counter((letter.topic, letter.partition, letter.offset) for letter in dead_letters(world))
    for place, count in places.items():
        if count > 1 + world.expiry.recreated[place[0]] and place not in again:
            yield f"{place} went to the dead letters {count} times"


def _only_poison_is_given_up(world: World) -> Iterator[str]:
    """Only poison is given up, as a record or as a case."""
    known = world.poison.case_id if world.poison else None
    for name in quarantined(world):
        if name != f"case:{known}":
            yield f"{name} is quarantined"
    for letter in dead_letters(world):
        if letter.reason.startswith("internal: ") and (known is None or known.encode() not in (letter.value or b"")):
            yield f"{letter.topic}-{letter.partition}@{letter.offset} was refused: {letter.reason}"


def quarantined(world: World) -> set[str]:
    """Return the quarantined names."""
    return {name for task in world.tasks.values() for name in task.progress().quarantined}


def _chains(world: World) -> Iterator[str]:
    """Each revision supersedes the one before and has read as much, of topics that were not created again."""
    last: dict[object, AnyDecision | ActionMessage] = {}
    again, _ = _lost_outputs(world)
    others = world.expiry.recreated
    for tp, message in _emitted(world):
        if isinstance(message, AlertMessage) or _subject(message) in again:
            continue
        body = message.body
        key: object = (
            message.action_id if isinstance(message, ActionMessage) else (body.case_id, decision_key(message.body))
        )
        name = f"{tp.topic} {key} revision {message.revision}"
        if tp.partition != partition_of(body.case_id, world.partitions):
            yield f"{name} lies in partition {tp.partition}"
        old = last.get(key)
        if message.revision != (old.revision + 1 if old else 1):
            yield f"{name} comes after {old.revision if old else None}"
        if isinstance(message, DecisionMessage):
            superseded = old.decision_id if isinstance(old, DecisionMessage) else None
            if message.supersedes != superseded:
                yield f"{name} supersedes {message.supersedes}, the last was {superseded}"
        read, read_before = (
            of_other_topics(parse_inputs(each.inputs or ""), others) for each in (message, old or message)
        )
        if not has_reached(read, read_before):
            yield f"{name} was decided at {read}, the one before at {read_before}"
        last[key] = message


def _latest_decisions(world: World) -> Iterator[str]:
    """The topic of latest decisions ends with the last revision of each, as on its own topic, or with its removal."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    for topic in world.topics.decisions:
        for partition in range(world.partitions):
            for record in world.kafka.ever_committed(TP(topic, partition)):
                message = catalogue.decode_message(record.value or b"")
                assert isinstance(message, DecisionMessage)
                last[partition, message.decision_key.encode()] = record.value
    latest = {
        (partition, record.key or b""): record.value
        for partition in range(world.partitions)
        for record in world.kafka.ever_committed(TP(world.topics.latest, partition))
    }
    for place in {*last, *latest}:
        if last.get(place) != latest.get(place):
            yield f"{place} has {latest.get(place)!r} as its latest decision, not {last.get(place)!r}"


def _emitted_once(world: World) -> Iterator[str]:
    """No id has two bodies, and no alert is repeated."""
    bodies: defaultdict[str, set[object]] = defaultdict(set)
    bodies_of_alerts: dict[str, AlertBody] = {}
    again, _ = _lost_outputs(world)
    for _, message in _emitted(world):
        if _subject(message) in again:
            continue
        if isinstance(message, DecisionMessage):
            bodies[message.decision_id].add(repr(message))
        elif isinstance(message, AlertMessage):
            old, new = bodies_of_alerts.get(message.alert_id), message.body
            if new == old or (new.state == "resolved" and (old is None or old.state == "resolved")):
                yield f"alert {new.name} {new.labels} is {new.state} again"
            bodies_of_alerts[message.alert_id] = new
    for decision_id, found in bodies.items():
        if len(found) > 1:
            yield f"{decision_id} has {len(found)} bodies"


def _same_as_replay(world: World, ends_at: int) -> Iterator[str]:
    """A replay of the accepted records ends in the same state.

    A report that came after its retention (contracts.md, "Events in") may count or not: the end state may also be that
    of a replay without it.
    """
    without = world.expiry.missed()
    refused = {(letter.topic, letter.partition, letter.offset, letter.value) for letter in dead_letters(world)}
    records = (
        InputRecord(topic, partition, each.offset, each.value, each.key, each.headers)
        for topic in world.topics.inputs
        for partition in range(world.partitions)
        for each in world.kafka.ever_committed(TP(topic, partition))
        if (topic, partition, each.offset) not in without and (topic, partition, each.offset, each.value) not in refused
    )
    facts_max = world.processor_settings.facts_per_case_max
    deduplicated = deduplicate(enumerate(records), world.processor_settings.limits, None, facts_max)
    for left in deduplicated.refused:
        yield f"{left.record.topic}-{left.record.partition}@{left.record.offset} was accepted, but {left.reason}"
    events = deduplicated.events
    live = current_state(message for _, message in _emitted(world))
    ends = [max(ends_at, _latest_now(world, partition)) for partition in range(world.partitions)]
    replayed, answers = _replay(world, events, ends)
    forgetful = replayed
    if world.past_retention:
        kept = [event for event in events if (event.subject, event.ref) not in world.past_retention]
        forgetful, _ = _replay(world, kept, ends)
    late = _asked_too_late(_answers(world)) | _asked_too_late(answers)
    late |= {name.removeprefix("case:") for name in quarantined(world)} | world.answered_after_departure
    late |= _losers(world, answers) | _lost_outputs(world)[0]
    subjects = {key[1] for key in live.keys() | replayed.keys() | forgetful.keys()}
    over_cases = {condition_of(message) for message in _alerts_over_cases(world)} - {event.subject for event in events}
    if world.expiry.happens or quarantined(world):  # what a case contributed may be lost
        late |= over_cases | (subjects - {event.subject for event in events})
    else:
        yield from _moments_over_cases(world, events, ends_at)
    for case_id in sorted(subjects - late):
        found, wanted = _of_case(live, case_id), _of_case(replayed, case_id)
        if found != wanted and found != _of_case(forgetful, case_id):
            for key in sorted(found.keys() | wanted.keys(), key=repr):
                if found.get(key) != wanted.get(key):
                    yield f"{key}: {found.get(key)}, in a replay {wanted.get(key)}"


def _alerts_over_cases(world: World) -> Iterator[AlertMessage]:
    for _, message in _emitted(world):
        if isinstance(message, AlertMessage) and alert_subject(message).kind == WATCH:
            yield message


def _moments_over_cases(world: World, events: Sequence[AnyEvent], ends_at: int) -> Iterator[str]:
    """Whatever is true of all facts was emitted, and nothing twice."""
    emitted = Counter(each.alert_id for each in _alerts_over_cases(world) if each.body.name in MOMENTS)
    for key, count in emitted.items():
        if count > 1:
            yield f"alert {key} was emitted {count} times"
    policies = world.publications.policies
    cases = CaseAgent(policies, facts_max=len(events))
    for event in events:
        if event.type != LOCATION_REPORT:
            cases.receive(event)
    at_once = [(ends_at, CONTRIBUTION, each, 0, cases.new_contributions(each)) for each in cases.cases]
    for alert in with_anomalies(at_once, policies):
        assert isinstance(alert, AlertMessage)
        if alert.alert_id not in emitted and alert.body.name in MOMENTS:
            yield f"{alert.body.name} {alert.body.labels} was never emitted"


def _replay(world: World, events: Sequence[AnyEvent], ends: Sequence[int]) -> tuple[CurrentState, list[PresenceAnswer]]:
    """Return the state after a replay, and the presence answers on the way.

    `ends` has for each partition number the instant up to which its deadlines have passed.
    """
    state: CurrentState = {}
    answers: list[PresenceAnswer] = []
    for end in sorted(set(ends)):
        found, answers = _replay_until(world, events, end)
        state |= {key: what for key, what in found.items() if ends[partition_of(key[1], world.partitions)] == end}
    return state, answers


def _replay_until(world: World, events: Sequence[AnyEvent], ends_at: int) -> tuple[CurrentState, list[PresenceAnswer]]:
    replay = Replay(world.publications.policies)
    apply_answer, answers = replay.cases.apply_answer, list[PresenceAnswer]()

    def apply_and_keep(answer: PresenceAnswer) -> bool:
        answers.append(answer)
        return apply_answer(answer)

    replay.cases.apply_answer = apply_and_keep  # type: ignore[method-assign]
    return current_state(replay.run(events, ends_at)), answers


def _of_case(state: CurrentState, case_id: str) -> CurrentState:
    return {key: what for key, what in state.items() if key[1] == case_id}


def _losers(world: World, answers: Iterable[PresenceAnswer]) -> set[str]:
    """Return the cases that were decided without a record that has expired."""
    cases, partners = world.expiry.losers()
    asked = (answer.query for answer in (*answers, *_answers(world)))
    return cases | {query.case_id for query in asked if query.partner_id in partners}


def _answers(world: World) -> Iterator[PresenceAnswer]:
    for partition in range(world.partitions):
        for record in world.kafka.ever_committed(TP(world.topics.cases, partition)):
            message = unpack(record.value or b"")
            if isinstance(message, AnswerMessage):
                yield message.answer


def _asked_too_late(answers: Iterable[PresenceAnswer]) -> set[str]:
    """Return the cases with a presence query that came only after its reports had expired.

    A booking that comes later, or is corrected, does not make another query of it.
    """
    in_time: set[object] = set()
    too_late: dict[object, str] = {}
    for answer in answers:
        query = answer.query
        asked = (query.case_id, query.key, query.window)
        if answer.too_late:
            too_late[asked] = query.case_id
        else:
            in_time.add(asked)
    return {case_id for asked, case_id in too_late.items() if asked not in in_time}
