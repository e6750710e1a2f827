"""The partitions of any input deduplicate like the whole, and each has all reports that its cases can query."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.limits import Limits
from schemas.events import LOCATION_REPORT
from schemas.policy.model import Policy, PolicySet
from streams.replay.deduplicate import deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.partitioning import assign, deduplicate_partition, index_input
from streams.replay.replay import ReplaySettings

NOON_US = 1_794_830_400_000_000
"""2026-11-16T12:00:00Z."""
SETTINGS = ReplaySettings(policies=PolicySet((), Policy()), limits=Limits(), facts_per_case_max=3, now=NOON_US)
TIMES = st.sampled_from(["2026-11-16T12:00:00Z"] * 3 + ["2045-07-07T10:00:00Z"])
PARTNERS = st.sampled_from(["p1", "p2", "p3", "p4"])
IDS = st.sampled_from([*"abcdef", "\u00e9", "", None])


def line(event_type: str, subject: str, event_id: str | None, data: dict[str, object], time: str) -> bytes:
    whole: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": "/s", "type": event_type}
    return json.dumps(whole | {"subject": subject, "time": time, "data": data}).encode()


REPORTS = st.builds(
    lambda partner, event_id, lat, time: line(
        LOCATION_REPORT, partner, event_id, {"lat": lat, "lon": 77, "accuracy_m": 5}, time
    ),
    PARTNERS,
    IDS,
    st.sampled_from([28, 28.0, 29, 91]),
    TIMES,
)
FACTS = st.builds(
    lambda case_id, event_id, partner, time: line("job.started", case_id, event_id, {"partner_id": partner}, time),
    st.sampled_from(["j1", "j2", "p1"]),
    IDS,
    st.one_of(PARTNERS, st.none()),
    TIMES,
)
LINES = st.lists(st.one_of(REPORTS, FACTS, st.just(b"{")), max_size=20)


@given(LINES, st.integers(1, 4), st.sampled_from([1, 2, 99]))
def test_partitions_deduplicate_like_the_whole(lines: list[bytes], processes: int, facts_max: int) -> None:
    records = [InputRecord("day", 0, number, each) for number, each in enumerate(lines)]
    settings = replace(SETTINGS, facts_per_case_max=facts_max)
    whole = deduplicate(enumerate(records), settings.limits, settings.now, facts_max)
    indexed = index_input(records, records, settings)
    partitions = [
        (partition, deduplicate_partition(indexed, partition, settings)) for partition in assign(indexed, processes)
    ]
    refused = [*indexed.decoded.refused, *(each for _, partition in partitions for each in partition.refused)]
    assert sorted(refused, key=lambda each: each.number) == whole.refused
    assert indexed.decoded.duplicates + sum(partition.duplicates for _, partition in partitions) == whole.duplicates
    assert len(indexed.decoded.events) + sum(partition.accepted for _, partition in partitions) == len(whole.events)
    facts = [event for event in whole.events if event.type != LOCATION_REPORT]
    distributed = [event for _, partition in partitions for event in partition.events if event.type != LOCATION_REPORT]
    assert sorted(distributed, key=lambda event: event.order) == sorted(facts, key=lambda event: event.order)
    for partition, unique in partitions:
        named = {getattr(event.data, "partner_id", None) for event in unique.events} | partition.own_partners
        wanted = [event for event in whole.events if event.type == LOCATION_REPORT and event.subject in named]
        there = [event for event in unique.events if event.type == LOCATION_REPORT]
        assert sorted(there, key=lambda event: event.order) == sorted(wanted, key=lambda event: event.order)
