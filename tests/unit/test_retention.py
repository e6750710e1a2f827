"""When cases depart, what remains of them, and what becomes of facts that come too late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from agents.case.case import NO_LONGER_KEPT
from agents.sops import catalogue
from agents.sops.keys import decision_key
from schemas.codec.encoder import decode_dead_letter
from schemas.errors import UsageError
from schemas.outputs import AnyDecision, DeadLetter, DecisionMessage
from schemas.policy.model import DAY, HOUR, MINUTE
from streams.config.settings import environment_with, settings_from
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.internal_messages import AnswerMessage, QueryMessage, pack, unpack
from streams.processor.processor import SopProcessor
from streams.processor.refusal_limit import RefusalLimits
from streams.processor.retention import LOOK_EVERY_US, RetentionRules
from streams.runtime.ports import TP, Checkpoint, Outgoing, Stored
from streams.worker import retention_rules
from tests.processors import SETTINGS, packed
from tests.scenario import MIDNIGHT, Scenario, instant

TOPICS = catalogue.topics()
RULES = RetentionRules(case=90 * DAY, memory=730 * DAY, quiet=HOUR)
CLOSED = Scenario().booked("08:00").assigned("09:00").closed("10:00")
CANCELLED = Scenario().booked("08:00").assigned("09:00").cancelled("10:00", "customer")
AFTER = MIDNIGHT + 12 * HOUR
CASE, PARTNER = "case:job-1", "partner:p1"


class Owner:
    """An owner of the only partition number, with what it emitted; a successor takes over its state."""

    def __init__(self, state: MemoryState | None = None, *, cached_cases_max: int = 99) -> None:
        self.state = state or MemoryState()
        self.emitted: list[Outgoing] = []
        self.store = MemoryStore(self.state)
        settings = replace(
            SETTINGS, cached_cases_max=cached_cases_max, refusal_limits=RefusalLimits(run_max=1), retention=RULES
        )
        self.processor = SopProcessor(0, settings, self.store)
        self.read: list[tuple[TP, Stored]] = []
        self._offsets: dict[TP, int] = {}

    async def begin(self, emitted: Sequence[Outgoing] = ()) -> Owner:
        saved = await self.store.claim() or Checkpoint({}, {}, {})
        await self.processor.begin(saved.counts)
        for offset, each in enumerate(emitted):
            if each.topic in TOPICS.outputs:
                self.processor.restore_output(each.topic, Stored(offset, each.key, each.value))
        await self.processor.apply_restored()
        return self

    async def step(self, now: int, lines: Iterable[bytes] = (), first: int | None = None) -> list[Outgoing]:
        """Process events and what follows on internal topics, with what is due or expired; return what is emitted.

        `first` is the offset of the first event, by default the next one.
        """
        at = self._offsets.get(TP("jobs", 0), 0) if first is None else first
        batches = [self._batch("jobs", b"job-1", line, now, at + number) for number, line in enumerate(lines)]
        emitted: list[Outgoing] = []
        while True:
            names = [*await self.processor.due(now, 99), *await self.processor.expired(now, 99)]
            await self.processor.process(batches, now)
            out = await self.processor.evaluate(now, {}, names)
            emitted += out
            internal = [each for each in out if each.topic in TOPICS.internal]
            if not internal:
                self.emitted += emitted
                return emitted
            batches = [self._batch(each.topic, each.key, each.value, now) for each in internal]

    async def apply_answer(self, now: int, message: QueryMessage | AnswerMessage) -> list[Outgoing]:
        topic = TOPICS.cases if isinstance(message, AnswerMessage) else TOPICS.partners
        await self.processor.process([self._batch(topic, b"", pack(message), now)], now)
        return await self.processor.evaluate(now, {}, ())

    async def save(self) -> None:
        changes = packed(self.processor)
        saved = Checkpoint({}, {}, self.processor.counts())
        await self.store.save(saved, changes)
        self.processor.mark_saved()

    async def pass_to(self, now: int) -> list[Outgoing]:
        """Save, take a step at an instant, and save again."""
        await self.save()
        emitted = await self.step(now)
        await self.save()
        return emitted

    def _batch(
        self, topic: str, key: bytes | None, value: bytes, now: int, at: int | None = None
    ) -> tuple[TP, list[Stored]]:
        tp = TP(topic, 0)
        offset = self._offsets.get(tp, 0) if at is None else at
        self._offsets[tp] = offset + 1
        self.read.append((tp, Stored(offset, key, value, (), now // 1000)))
        return tp, [self.read[-1][1]]

    async def take(self, now: int, *batches: tuple[str, bytes | None, bytes]) -> list[Outgoing]:
        """Process records of topics, one by one, before anything is evaluated; return what is emitted then."""
        for topic, key, value in batches:
            await self.processor.process([self._batch(topic, key, value, now)], now)
        return await self.processor.evaluate(now, {}, ())


def dead_letters(emitted: Iterable[Outgoing]) -> list[DeadLetter]:
    return [decode_dead_letter(each.value) for each in emitted if each.topic == TOPICS.dead_letters]


def decisions(emitted: Iterable[Outgoing]) -> list[AnyDecision]:
    messages = [catalogue.decode_message(each.value) for each in emitted if each.topic.startswith("decisions.")]
    return [each for each in messages if isinstance(each, DecisionMessage)]


OPEN = {
    "nobody is assigned yet": Scenario().booked("08:00"),
    "the partner is assigned": Scenario().booked("08:00").assigned("09:00"),
    "another partner is assigned after it was closed": CLOSED.copy().assigned("11:00", "p2"),
    "a decision is provisional": CLOSED.copy().ticket("09:30"),
    "an action is open": CLOSED.copy().ticket("09:30").image("09:40").validated("09:50"),
}
SETTLED = {
    "closed": CLOSED,
    "closed, not known to whom it was assigned": Scenario().booked("08:00").closed("10:00"),
    "cancelled by the customer": CANCELLED,
    "cancelled before anybody was assigned": Scenario().booked("08:00").cancelled("10:00", "customer"),
    "cancelled by the partner who cannot deliver": Scenario()
    .booked("08:00")
    .assigned("09:00")
    .cancelled("10:00", reason="cant_deliver"),
    "nothing is known of a job": Scenario().line_item("10:00", "1.00"),
}
LATEST = instant("10:00")


@pytest.mark.parametrize("name", OPEN)
async def test_a_case_with_something_open_never_departs(name: str) -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, OPEN[name].lines())
    await owner.pass_to(AFTER + 10_000 * DAY)
    assert owner.state.expiries.get(CASE) is None
    assert owner.processor.state_size().cases_departed == 0


@pytest.mark.parametrize("name", SETTLED)
async def test_a_settled_case_departs_one_retention_after_its_latest_fact(name: str) -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, SETTLED[name].lines())
    await owner.pass_to(AFTER + 10 * DAY)
    await owner.pass_to(LATEST + RULES.case - 1)
    assert owner.processor.state_size().cases_departed == 0
    size_before = len(owner.state.blobs[CASE])
    await owner.pass_to(LATEST + RULES.case + LOOK_EVERY_US)
    state_size = owner.processor.state_size()
    assert (state_size.cases, state_size.cases_departed, state_size.departed_cases) == (0, 1, 1)
    assert len(owner.state.blobs[CASE]) < min(200, size_before)
    assert owner.state.deadlines == {}


async def test_an_evicted_case_departs_too() -> None:
    owner = await Owner(cached_cases_max=0).begin()
    await owner.step(AFTER, CLOSED.lines())
    await owner.save()
    assert owner.processor.state_size().cases == 0
    await owner.pass_to(LATEST + RULES.case)
    assert (owner.processor.state_size().cases, owner.processor.state_size().cases_departed) == (0, 1)


async def departed(owner: Owner, of: Scenario = CANCELLED) -> int:
    """Have a case depart; return when it did."""
    await owner.step(AFTER, of.lines())
    await owner.pass_to(AFTER + 10 * DAY)
    await owner.pass_to(LATEST + RULES.case)
    assert owner.processor.state_size().cases_departed == 1
    return LATEST + RULES.case


async def test_the_ids_of_the_last_revisions_remain() -> None:
    owner = await Owner().begin()
    now = await departed(owner, SETTLED["cancelled by the partner who cannot deliver"])
    await owner.step(now, CLOSED.lines()[:1])
    last = {decision_key(each.body): each.decision_id for each in decisions(owner.emitted)}
    assert last
    assert owner.processor._cases.cases["job-1"].last_revisions == tuple(sorted(last.values()))


LATE = {
    "known before": CANCELLED.lines()[0],
    "new": CANCELLED.copy().ticket("11:00").lines()[-1],
    "known before with other content": Scenario().booked("08:01").lines()[0],
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("is_new_owner", [False, True])
async def test_a_fact_for_a_departed_case_goes_to_the_dead_letters(name: str, *, is_new_owner: bool) -> None:
    owner = await Owner().begin()
    now = await departed(owner)
    if is_new_owner:
        owner = await Owner(owner.state).begin()
    emitted = await owner.step(now, [LATE[name], LATE[name]])
    assert [(each.reason, each.value) for each in dead_letters(emitted)] == 2 * [(NO_LONGER_KEPT, LATE[name])]
    assert len(emitted) == 2
    await owner.save()
    assert (owner.processor.state_size().cases, owner.processor.state_size().departed_cases) == (0, 1)


async def test_such_dead_letters_never_stop_a_worker() -> None:
    owner = await Owner().begin()
    now = await departed(owner)
    lines = CANCELLED.lines() * 3
    emitted = await owner.step(now, lines)
    assert len(dead_letters(emitted)) == len(lines)
    successor = await Owner(owner.state).begin(emitted)
    assert await successor.step(now, lines, len(CANCELLED.lines())) == []


async def test_an_answer_for_a_departed_case_changes_nothing() -> None:
    owner = await Owner().begin()
    now = await departed(owner)
    answers = [message for each in owner.emitted if isinstance(message := unpack_internal(each), AnswerMessage)]
    before = owner.state.blobs[CASE]
    assert answers
    for answer in answers:
        assert await owner.apply_answer(now, answer) == []
    await owner.save()
    assert owner.state.blobs[CASE] == before
    assert owner.processor.counts()["internal.cases-0"] == {"applied": 2 * len(answers)}


def unpack_internal(record: Outgoing) -> object:
    return unpack(record.value) if record.topic in TOPICS.internal else None


async def test_the_remains_of_a_case_expire() -> None:
    owner = await Owner().begin()
    departed_at = await departed(owner)
    await owner.pass_to(departed_at + RULES.memory - 1)
    assert owner.processor.state_size().departed_cases == 1
    now = departed_at + RULES.memory + LOOK_EVERY_US
    await owner.pass_to(now)
    assert (owner.processor.state_size().departed_cases, owner.processor.state_size().cases_departed) == (0, 1)
    assert CASE not in owner.state.blobs
    assert owner.state.expiries == {}
    emitted = await owner.step(now, CLOSED.lines())
    assert dead_letters(emitted) == []
    assert owner.processor.state_size().cases == 1


async def test_old_facts_that_arrive_one_by_one_are_decided_together() -> None:
    owner = await Owner().begin()
    now = LATEST + 2 * RULES.case
    lines = CLOSED.copy().ticket("11:00").lines()
    for number, line in enumerate(lines):
        now += RULES.quiet - MINUTE
        assert dead_letters(await owner.step(now, [line], number)) == []
        await owner.pass_to(now + LOOK_EVERY_US)
    assert len(owner.processor._cases.cases["job-1"].facts) == len(lines)


async def test_a_settled_case_stays_for_a_while_after_its_last_record() -> None:
    owner = await Owner().begin()
    now = LATEST + 2 * RULES.case
    await owner.step(now, CLOSED.lines())
    await owner.pass_to(now + RULES.quiet - 1)
    assert owner.processor.state_size().cases_departed == 0
    await owner.pass_to(now + RULES.quiet + LOOK_EVERY_US)
    assert owner.processor.state_size().cases_departed == 1


@pytest.mark.parametrize("line", [CLOSED.lines()[0], CLOSED.copy().ticket("11:00").lines()[-1]])
async def test_a_fact_in_the_step_in_which_a_case_would_depart_keeps_it(line: bytes) -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, CLOSED.lines())
    await owner.save()
    assert dead_letters(await owner.step(LATEST + RULES.case, [line])) == []
    assert owner.processor.state_size().cases_departed == 0


async def test_an_unsaved_departure_is_repeated_by_the_next_owner_and_refusals_stay() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, CLOSED.lines())
    await owner.save()
    now, first = LATEST + RULES.case, len(CLOSED.lines())
    await owner.step(now)
    late, later = CLOSED.copy().line_item("10:30", "1.00").line_item("10:31", "2.00").lines()[-2:]
    emitted = await owner.step(now, [late], first)
    assert len(dead_letters(emitted)) == 1

    successor = await Owner(owner.state).begin(emitted)
    assert successor.processor.state_size().cases_departed == 0
    assert await successor.step(now, [late], first) == []
    assert successor.processor.state_size().cases_departed == 1
    assert len(dead_letters(await successor.step(now, [later], first + 1))) == 1
    assert successor.processor.counts()["jobs-0"] == {"applied": 3, "dead_lettered": 2}


async def test_a_case_without_expiry_gets_one_with_its_next_fact() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, CLOSED.lines())
    await owner.save()
    owner.state.expiries.set(CASE, None)
    successor = await Owner(owner.state).begin()
    await successor.step(AFTER, CLOSED.lines()[:1])
    await successor.pass_to(LATEST + RULES.case)
    assert successor.processor.state_size().cases_departed == 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [("90 d", 90 * DAY), ("1 d 12 h", 36 * HOUR), (" 3600 ", HOUR), ("1 us", 1), ("30 min", 30 * MINUTE)],
)
def test_retention_is_a_setting(text: str, kept: int) -> None:
    given = settings_from({"SOP_CASE_RETENTION": text, "SOP_CASE_MEMORY": text})
    assert retention_rules(given) == RetentionRules(case=kept, memory=kept)
    assert settings_from(environment_with(given)) == given


@pytest.mark.parametrize("text", ["", "0", "0 s", "-1", "90 days", "nan", "d"])
@pytest.mark.parametrize("variable", ["SOP_CASE_RETENTION", "SOP_CASE_MEMORY"])
def test_a_malformed_retention_is_refused(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{variable}: .*duration above 0"):
        settings_from({variable: text})
