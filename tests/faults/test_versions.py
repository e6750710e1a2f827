"""Newer producers, and a policy rolled out worker by worker: earlier decisions do not change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.simulator.rng import Rng
from tests.e2e.verifier import Refusal
from tests.faults.conftest import KnownStream, Report, known_stream
from tests.faults.scale import Scale
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench
from tests.inbound import envelope

UNKNOWN_TYPES = 20
EVENTS = 1_500
IDLE_WITHIN_S = 150.0
LATER = """\
label = "stricter, from 2026 on"
effective_from = 2026-01-01T00:00:00Z
[presence]
radius_m = 50
"""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def of_later_minor(line: bytes, rng: Rng) -> bytes:
    """Return an event with unknown attributes and data fields; other lines unchanged."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not (isinstance(event, dict) and isinstance(event.get("data"), dict)):
        return line
    unknown: Any = rng.pick([None, 7, "x", [1, {"y": None}], {"deep": {"deeper": [True]}}])
    return json.dumps(
        event | {"sequencetype": "Integer", "data": event["data"] | {"of_a_later_minor": unknown}}
    ).encode()


def of_unknown_types() -> Iterator[bytes]:
    for number in range(UNKNOWN_TYPES):
        yield json.dumps(envelope("job.teleported", id=f"later-{number}", subject=f"job-later-{number}")).encode()


def test_events_of_a_later_minor_version_and_a_later_policy_change_no_decision(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    short: KnownStream,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    rng = Rng("later minor", run_scale.seed)
    first = list(short.stream.lines())[:EVENTS]
    plain = known_stream(first, tmp_path / "plain.jsonl")
    ahead = known_stream(
        [*(of_later_minor(each, rng) for each in first), *of_unknown_types()], tmp_path / "ahead.jsonl"
    )
    known = KnownStream(ahead.stream, replace(plain.outcome, refused=ahead.outcome.refused))
    assert len(unknown_types(known)) == UNKNOWN_TYPES
    policy = tmp_path / "later.toml"
    policy.write_text(LATER)
    bench = make_bench(kafka.address)
    old = [bench.add_worker(), bench.add_worker()]
    bench.wait_until_ready()
    with Feeder(bench, known.stream) as feeder:
        for replica in old:
            feeder.allow(EVENTS // 3)
            bench.wait_for_progress(10)
            assert bench.remove_worker(replica) == 0
            bench.wait_until_assigned(bench.add_worker(SOP_POLICIES=str(policy)))
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F19 fields and types of a later minor, a later policy rolled out", EVENTS + UNKNOWN_TYPES, bench, known)


def unknown_types(known: KnownStream) -> list[Refusal]:
    return [refusal for refusal in known.outcome.refused if refusal[1].startswith("type: ")]
