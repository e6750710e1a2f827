"""Topic names are those of the contract, with any prefix."""

import pytest

from agents.sops import catalogue
from schemas.events import EVENT_TYPES


@pytest.mark.parametrize("prefix", ["", "city-1."])
def test_topic_names_are_those_of_the_contract_with_the_prefix(prefix: str) -> None:
    topics = catalogue.topics(prefix)
    assert topics.inputs == tuple(prefix + name for name in ("jobs", "tickets", "cancellations", "locations"))
    assert topics.outputs == tuple(
        prefix + name
        for name in (
            "decisions.tagging",
            "decisions.paf",
            "decisions.rating-reversal",
            "decisions.refund",
            "actions",
            "alerts",
            "dead-letters",
        )
    )
    assert topics.dead_letters == prefix + "dead-letters"
    assert all(name.startswith(prefix + "internal.") for name in topics.internal)


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        ("job.booked", "jobs"),
        ("job.rated", "jobs"),
        ("location.reported", "locations"),
        ("ticket.payment_proof_added", "tickets"),
        ("cancellation.recorded", "cancellations"),
    ],
)
def test_the_event_type_determines_the_input_topic(event_type: str, topic: str) -> None:
    assert catalogue.topics("x.").of(event_type) == "x." + topic


def test_every_event_type_and_decision_kind_has_a_topic() -> None:
    topics = catalogue.topics()
    assert {topics.of(name) for name in EVENT_TYPES} == set(topics.inputs)
    assert {topics.decision(kind) for kind in catalogue.OUTPUTS.bodies} == set(topics.outputs[:4])
