"""The CloudEvents SDKs see an event in every output, and a worker decides the events that they make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kit.export import kit_files
from tests.cloudevents_sdks.sdks import LANGUAGES, MODES, Headers, Mode, Sdk, sdk_of
from tests.e2e.harness import DECISIONS, Bench, Feed, Record, feed_of
from tests.e2e.stories import Visit
from tests.inbound import DATA

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

MILLISECONDS = "2026-11-21T10:00:00.125Z"
"""The JavaScript SDK writes no finer time in structured mode."""


@pytest.fixture(scope="module")
def bench(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Yield a bench whose worker has decided the cases of the test kit and refused a record."""
    bench = Bench(kafka.address, "sdks.", tmp_path_factory.mktemp("sdks"))
    bench.start_ready()
    bench.feed_lines([*kit_files()["events.jsonl"].splitlines(), b"not JSON"])
    bench.wait_until_idle()
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def outputs(bench: Bench) -> list[Record]:
    """Return what the worker wrote about them."""
    return bench.outputs()


@pytest.fixture(params=LANGUAGES)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return sdk_of(request.param)


def test_an_sdk_sees_an_event_in_every_output_and_none_without_its_header(sdk: Sdk, outputs: list[Record]) -> None:
    events = [json.loads(record.value) for record in outputs]
    records = [(record.value, cast("Headers", record.headers)) for record in outputs]
    *seen, without_header = sdk.read([*records, (outputs[0].value, ())])
    assert seen == [{name: event[name] for name in ("id", "source", "type")} for event in events]
    assert without_header is None
    counts = Counter(event["type"] for event in events)
    decisions = {"decision.tagging", "decision.paf", "decision.rating_reversal", "decision.refund"}
    assert counts.keys() == decisions | {"action", "alert", "dead-letter"}


def test_the_events_of_an_sdk_are_the_same_in_both_modes(sdk: Sdk) -> None:
    events = [
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": "/apps/partner",
            "type": event_type,
            "subject": "job-17",
            "time": MILLISECONDS,
            "data": data,
        }
        for number, (event_type, data) in enumerate(DATA.items())
    ]
    expected = [decode_record(json.dumps(event).encode(), (), Limits()) for event in events]
    for mode in MODES:
        assert [decode_record(value, headers, Limits()) for value, headers in sdk.write(mode, events)] == expected


def test_a_worker_decides_the_events_of_an_sdk_alike_in_both_modes(sdk: Sdk, bench: Bench) -> None:
    visits = {mode: Visit(f"job-{sdk.language}-{mode}", f"partner-{sdk.language}-{mode}") for mode in MODES}
    for mode, visit in visits.items():
        bench.feed(made(sdk, mode, [*visit.booking, *visit.report, *visit.claim]))
    bench.wait_until_idle()
    decided = [revisions(bench, visit.case_id) for visit in visits.values()]
    assert decided[0] == decided[1]
    assert {decision["kind"] for decision in decided[0]} == {"tagging", "paf"}


def made(sdk: Sdk, mode: Mode, lines: list[bytes]) -> Iterator[Feed]:
    """Yield events as the records that the SDK makes of them."""
    for line, (value, headers) in zip(lines, sdk.write(mode, [*map(json.loads, lines)]), strict=True):
        record = feed_of(line)
        yield Feed(record.topic, record.key, value, headers)


def revisions(bench: Bench, case_id: str) -> list[dict[str, Any]]:
    """Return what the last revisions of the case's decisions say, apart from the names that are in them."""
    last: dict[str, dict[str, Any]] = {}
    for record in bench.read(*DECISIONS):
        data = json.loads(record.value)["data"]
        if data["case_id"] == case_id:
            last[data["kind"]] = data
    members = ("kind", "status", "outcome", "reasons", "clauses", "effective_at")
    return [{name: data[name] for name in members} for _, data in sorted(last.items())]
