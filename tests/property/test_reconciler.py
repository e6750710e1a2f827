"""The two agents together: whatever the order, repetition and batching, what stands in the end is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.case.case import pack_case, unpack_case
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.presence.track import Track
from schemas.events import AnyEvent
from schemas.outputs import WITHDRAWN, DecisionMessage, OutputMessage
from schemas.policy.model import PolicySet
from streams.processor.decoder import is_report
from streams.replay.replay import Replay
from tests.positions import standing
from tests.scenario import POLICY
from tests.strategies import GeneratedCase, cases

POLICIES: Final = PolicySet((), POLICY)
FACTS_MAX: Final = 1000

Break = Literal["decide", "questions", "answers", "checkpoint"]
Step = AnyEvent | Break
BREAKS: Final[tuple[Step, ...]] = ("decide", "questions", "answers", "checkpoint")


class Agents:
    """Both agents with what is on its way between them."""

    def __init__(self, case: GeneratedCase) -> None:
        self.said: list[OutputMessage] = []
        self._case = case
        self._cases = CaseAgent(POLICIES, facts_max=FACTS_MAX)
        self._locations = LocationAgent(POLICIES)
        self._questions: list[PresenceQuery] = []
        self._answers: list[PresenceAnswer] = []
        self._clock = 0
        self._made = 0

    def play(self, steps: Iterable[Step]) -> list[OutputMessage]:
        """Take all steps, then let everything arrive; return all that was said."""
        for step in steps:
            if step == "decide":
                self.decide(self._clock)
            elif step == "questions":
                self._ask()
            elif step == "answers":
                self._hear()
            elif step == "checkpoint":
                self._checkpoint()
            else:
                self._receive(step)
        self.decide(self._clock)
        while self._questions or self._answers:
            self._ask()
            self._hear()
            self.decide(self._clock)
        self.decide(self._case.now)
        return self.said

    def decide(self, now: int) -> list[OutputMessage]:
        """Decide at an instant; return what is new."""
        self._questions += self._cases.new_presence_queries(self._case.case_id)
        new = self._cases.decide(self._case.case_id, now).messages
        self.said += new
        return new

    def _receive(self, event: AnyEvent) -> None:
        self._clock = max(self._clock, event.time)
        if is_report(event):
            self._locations.receive(event)
            self._answer(event.subject)
        else:
            self._cases.receive(event)

    def _ask(self) -> None:
        for query in self._questions:
            self._locations.query(query)
            self._answer(query.partner_id)
        self._questions = []

    def _answer(self, partner_id: str) -> None:
        self._made += 1
        self._answers += self._locations.new_answers(partner_id, {"locations-0": self._made})

    def _hear(self) -> None:
        """Hear the answers, the last made first: the later made must count all the same."""
        for answer in reversed(self._answers):
            self._cases.apply_answer(answer)
        self._answers = []

    def _checkpoint(self) -> None:
        cases, tracks = self._cases.cases, self._locations.tracks
        for case_id, case in cases.items():
            packed = pack_case(case)
            cases[case_id] = unpack_case(packed)
            assert pack_case(cases[case_id]) == packed
        for partner_id, track in tracks.items():
            tracks[partner_id] = Track.load(track.dump())


def straight(case: GeneratedCase, events: Sequence[AnyEvent]) -> list[OutputMessage]:
    return list(Replay(POLICIES).run(events, case.now))


@st.composite
def histories(draw: st.DrawFn) -> tuple[GeneratedCase, list[Step]]:
    """A case, and its events in any order, some twice, with anything that an agent may have to do in between."""
    case = draw(cases())
    events = [*case.facts, *case.reports]
    again = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    breaks: list[Step] = draw(st.lists(st.sampled_from(BREAKS), max_size=16))
    return case, draw(st.permutations([*events, *again, *breaks]))


@settings(max_examples=200)
@given(histories())
def test_what_stands_is_that_of_a_straight_run(history: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = history
    said = Agents(case).play(steps)
    assert standing(said) == standing(straight(case, [*case.facts, *case.reports]))


@settings(max_examples=100)
@given(histories())
def test_a_chain_has_no_fork_no_gap_and_no_repetition(history: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = history
    last: dict[object, DecisionMessage] = {}
    for message in Agents(case).play(steps):
        if not isinstance(message, DecisionMessage):
            continue
        old = last.get(message.body.key)
        assert message.revision == (old.revision + 1 if old else 1)
        assert message.supersedes == (old.decision_id if old else None)
        assert message.body.outcome != WITHDRAWN or (old is not None and old.body.outcome != WITHDRAWN)
        assert old is None or message.content_hash != old.content_hash
        last[message.body.key] = message


@settings(max_examples=100)
@given(histories())
def test_one_id_has_one_body_in_every_run(history: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = history
    bodies: dict[str, DecisionMessage] = {}
    for message in [*Agents(case).play(steps), *straight(case, [*case.facts, *case.reports])]:
        if isinstance(message, DecisionMessage):
            known = bodies.setdefault(message.decision_id, message)
            assert known == message


@settings(max_examples=100)
@given(histories())
def test_nothing_is_said_twice(history: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = history
    agents = Agents(case)
    agents.play(steps)
    assert agents.decide(case.now) == []


@settings(max_examples=100)
@given(cases(), st.data())
def test_a_replay_does_not_see_the_order_of_its_input(case: GeneratedCase, data: st.DataObject) -> None:
    events = [*case.facts, *case.reports]
    assert straight(case, data.draw(st.permutations(events))) == straight(case, sorted(events, key=lambda e: e.order))
