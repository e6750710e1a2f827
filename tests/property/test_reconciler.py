"""Both agents together: order, repetition and batching have no effect on what holds in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from agents.case_agent import CaseAgent
from agents.case_state import pack_case, unpack_case
from agents.location_agent import LocationAgent
from agents.presence.queries import PresenceAnswer, PresenceQuery
from agents.presence.track import Track
from agents.sops.keys import decision_key
from schemas.events import AnyEvent
from schemas.outputs import WITHDRAWN, AnyDecision, DecisionMessage, OutputMessage
from schemas.policy.model import PolicySet
from streams.processor.decoder import is_for_partner
from streams.replay.replay import Replay
from tests.current_state import current_state
from tests.scenario import POLICY
from tests.strategies import GeneratedCase, cases

POLICIES: Final = PolicySet((), POLICY)
FACTS_MAX: Final = 1000

Delivery = Literal["decide", "queries", "answers", "checkpoint"]
Step = AnyEvent | Delivery
DELIVERIES: Final[tuple[Step, ...]] = ("decide", "queries", "answers", "checkpoint")


class Agents:
    """Both agents, and the queries and answers on their way between them."""

    def __init__(self, case: GeneratedCase) -> None:
        self.emitted: list[OutputMessage] = []
        self._case = case
        self._cases = CaseAgent(POLICIES, facts_max=FACTS_MAX)
        self._locations = LocationAgent(POLICIES)
        self._queries: list[PresenceQuery] = []
        self._answers: list[PresenceAnswer] = []
        self._clock = 0
        self._made = 0

    def play(self, steps: Iterable[Step]) -> list[OutputMessage]:
        """Take all steps, then deliver everything; return all messages emitted."""
        for step in steps:
            if step == "decide":
                self.decide(self._clock)
            elif step == "queries":
                self._deliver_queries()
            elif step == "answers":
                self._deliver_answers()
            elif step == "checkpoint":
                self._checkpoint()
            else:
                self._receive(step)
        self.decide(self._clock)
        while self._queries or self._answers:
            self._deliver_queries()
            self._deliver_answers()
            self.decide(self._clock)
        self.decide(self._case.now)
        return self.emitted

    def decide(self, now: int) -> list[OutputMessage]:
        """Decide at an instant; return what changed."""
        self._queries += self._cases.new_presence_queries(self._case.case_id)
        new = self._cases.decide(self._case.case_id, now).messages
        self.emitted += new
        return new

    def _receive(self, event: AnyEvent) -> None:
        self._clock = max(self._clock, event.time)
        if is_for_partner(event):
            self._locations.receive(event)
            self._answer(event.subject)
        else:
            self._cases.receive(event)

    def _deliver_queries(self) -> None:
        for query in self._queries:
            self._locations.query(query)
            self._answer(query.partner_id)
        self._queries = []

    def _answer(self, partner_id: str) -> None:
        self._made += 1
        self._answers += self._locations.new_answers(partner_id, {"locations-0": self._made})

    def _deliver_answers(self) -> None:
        """Deliver the answers made last first; the one made last must count all the same."""
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


def replayed(case: GeneratedCase, events: Sequence[AnyEvent]) -> list[OutputMessage]:
    return list(Replay(POLICIES).run(events, case.now))


@st.composite
def runs(draw: st.DrawFn) -> tuple[GeneratedCase, list[Step]]:
    """A case, and its events in any order, some twice, with deliveries in between."""
    case = draw(cases())
    events = [*case.facts, *case.reports]
    repeated = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    deliveries: list[Step] = draw(st.lists(st.sampled_from(DELIVERIES), max_size=16))
    return case, draw(st.permutations([*events, *repeated, *deliveries]))


@settings(max_examples=200)
@given(runs())
def test_what_holds_in_the_end_is_the_same_as_in_a_replay(run: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = run
    assert current_state(Agents(case).play(steps)) == current_state(replayed(case, [*case.facts, *case.reports]))


@settings(max_examples=100)
@given(runs())
def test_revisions_have_no_fork_no_gap_and_no_repetition(run: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = run
    last: dict[object, AnyDecision] = {}
    for message in Agents(case).play(steps):
        if not isinstance(message, DecisionMessage):
            continue
        old = last.get(decision_key(message.body))
        assert message.revision == (old.revision + 1 if old else 1)
        assert message.supersedes == (old.decision_id if old else None)
        assert message.body.outcome != WITHDRAWN or (old is not None and old.body.outcome != WITHDRAWN)
        assert old is None or message.content_hash != old.content_hash
        last[decision_key(message.body)] = message


@settings(max_examples=100)
@given(runs())
def test_one_id_has_one_body_in_every_run(run: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = run
    bodies: dict[str, AnyDecision] = {}
    for message in [*Agents(case).play(steps), *replayed(case, [*case.facts, *case.reports])]:
        if isinstance(message, DecisionMessage):
            placed = structs.replace(message, asof=None)  # when it was decided
            assert bodies.setdefault(message.decision_id, placed) == placed


@settings(max_examples=100)
@given(runs())
def test_nothing_is_emitted_twice(run: tuple[GeneratedCase, list[Step]]) -> None:
    case, steps = run
    agents = Agents(case)
    agents.play(steps)
    assert agents.decide(case.now) == []


@settings(max_examples=100)
@given(cases(), st.data())
def test_a_replay_does_not_depend_on_the_order_of_its_input(case: GeneratedCase, data: st.DataObject) -> None:
    events = [*case.facts, *case.reports]
    assert replayed(case, data.draw(st.permutations(events))) == replayed(case, sorted(events, key=lambda e: e.order))
