"""What a new owner learns from the output topics."""

from __future__ import annotations

import pytest
from msgspec import structs

from agents.sops import catalogue
from schemas.codec.encoder import encode_dead_letter, encode_message
from schemas.errors import InvalidMessage
from schemas.outputs import AlertBody, AlertMessage, DeadLetter, OutputMessage
from schemas.policy.model import PolicySet
from streams.processor.emitted_outputs import EmittedOutputs
from streams.replay.replay import Replay
from tests.scenario import MIDNIGHT, POLICY, Scenario

TOPICS = catalogue.topics("x.")


def messages_of(case_id: str) -> list[OutputMessage]:
    scenario = Scenario(case_id).booked().assigned().ticket("10:00").cancelled("10:30")
    replay = Replay(PolicySet((), POLICY))
    return list(replay.run(scenario.events(), MIDNIGHT + 10**12))


def test_messages_are_kept_by_case_in_their_order() -> None:
    emitted = EmittedOutputs(TOPICS)
    first, second = messages_of("job-1"), messages_of("job-2")
    for message in [*first, *second]:
        assert emitted.add("x.any", encode_message(message)) == {}
    assert emitted.messages == {"job-1": first, "job-2": second}


def test_the_input_positions_of_a_decision_are_returned() -> None:
    message = messages_of("job-1")[0]
    value = encode_message(structs.replace(message, inputs="jobs-3:120,tickets-3:88"))
    assert EmittedOutputs(TOPICS).add("x.actions", value) == {"jobs-3": 121, "tickets-3": 89}


def test_an_alert_about_a_partner_is_kept_by_its_id() -> None:
    body = AlertBody(
        name="impossible_travel",
        severity="warning",
        state="firing",
        key=("partner_id",),
        labels={"partner_id": "p1"},
        summary="",
        evidence=(),
        starts_at=MIDNIGHT,
        ends_at=MIDNIGHT + 1,
    )
    emitted = EmittedOutputs(TOPICS)
    emitted.add("x.alerts", encode_message(AlertMessage(body=body, alert_id="a" * 32, subject="p1")))
    assert emitted.alert_ids == {"a" * 32}
    assert emitted.messages == {}


def test_dead_letters_are_kept_by_the_record_s_place() -> None:
    emitted = EmittedOutputs(TOPICS)
    letter = encode_dead_letter(DeadLetter(topic="x.jobs", partition=3, offset=9, reason="id: missing", value=b""))
    assert emitted.add(TOPICS.dead_letters, letter) == {}
    assert emitted.dead_letters.pop(("x.jobs", 3, 9))
    assert not emitted.dead_letters.pop(("x.jobs", 3, 8))


def test_a_dead_letter_of_a_topic_that_was_created_again_is_ignored() -> None:
    emitted = EmittedOutputs(TOPICS)
    letter = encode_dead_letter(DeadLetter(topic="x.jobs", partition=3, offset=9, reason="id: missing", value=b""))
    emitted.add(TOPICS.dead_letters, letter, {"x.jobs"})
    assert not emitted.dead_letters
    emitted.add(TOPICS.dead_letters, letter, {"x.tickets"})
    assert emitted.dead_letters


def test_a_foreign_record_is_invalid() -> None:
    with pytest.raises(InvalidMessage):
        EmittedOutputs(TOPICS).add("x.actions", b"{}")


@pytest.mark.parametrize("inputs", ["jobs-0", "jobs-0:x"])
def test_a_record_with_malformed_positions_is_invalid(inputs: str) -> None:
    emitted = EmittedOutputs(TOPICS)
    with pytest.raises(InvalidMessage):
        emitted.add("x.actions", encode_message(structs.replace(messages_of("job-1")[0], inputs=inputs)))
    assert emitted.messages == {}
