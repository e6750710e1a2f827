"""What a shadow's names are: all that it writes is its own, and all that it reads is what the others read."""

from __future__ import annotations

from agents.sops import catalogue
from schemas.topics import INPUTS, INTERNAL
from streams.config.settings import Settings

LIVE = Settings(topic_prefix="p.", group="g")
SHADOW = Settings(topic_prefix="p.", group="g", shadow="strict")


def test_a_shadow_reads_the_inputs_and_writes_topics_of_its_own() -> None:
    live, shadow = (catalogue.topics(each.topic_prefix, each.written_prefix) for each in (LIVE, SHADOW))
    assert shadow.inputs == live.inputs == tuple(f"p.{name}" for name in INPUTS)
    assert shadow.policies == live.policies == "p.policies"
    assert shadow.internal == tuple(f"p.shadow.{name}" for name in INTERNAL)
    assert all(name.startswith("p.shadow.") for name in shadow.written)
    assert shadow.created == shadow.written
    assert set(shadow.written).isdisjoint(live.all)
    assert live.created == live.all


def test_its_group_transactional_ids_and_keys_are_its_own() -> None:
    assert (LIVE.workers_group, LIVE.namespace) == ("g", "p.g")
    assert (SHADOW.workers_group, SHADOW.namespace) == ("shadow.g", "p.shadow.g")
