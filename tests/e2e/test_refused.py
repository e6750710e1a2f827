"""Refused records go to the dead letters, byte for byte and with a reason, and the worker continues."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.e2e.harness import INPUTS, Bench, Feed, Header, feed_of
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted, outcome, violations
from tests.inbound import envelope

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KIB = 1024


def structured(event_type: str = "job.booked", **members: Any) -> bytes:
    return json.dumps(envelope(event_type, **members)).encode()


def padded(size: int) -> bytes:
    """Return a valid event of a size, padded with an unknown member."""
    bare = structured(padding="")
    return structured(padding="x" * (size - len(bare)))


def binary_headers(**members: str | None) -> tuple[Header, ...]:
    """Return the headers of a booking in binary content mode, some replaced or (None) left out."""
    event = {**envelope("job.booked"), **members}
    names = ("specversion", "id", "source", "type", "subject", "time")
    return tuple((f"ce_{name}", str(event[name]).encode()) for name in names if event[name] is not None)


BOOKING = json.dumps(envelope("job.booked")["data"]).encode()
OVERSIZED = [300 * KIB, 900 * KIB, 3 * KIB * KIB]

REFUSED: list[tuple[Feed, str]] = [
    (Feed("jobs", b"job-1", b'{"specversion":"1.0","id":'), "value: not JSON"),
    (Feed("tickets", b"job-1", b"\xff\xfe{}"), "value: not JSON"),
    (Feed("tickets", None, b"[" * 100_000), "value: nested"),
    (Feed("jobs", b"job-1", b""), "value: not JSON"),
    (Feed("cancellations", b"\xff\x00", b"null"), "value: not a JSON object"),
    *((Feed("jobs", b"job-1", padded(size)), f"value: {size} bytes") for size in OVERSIZED),
    (Feed("jobs", b"job-1", structured("job.teleported", id="e-2")), "type: 'job.teleported' is not known"),
    (Feed("locations", b"p-1", structured("location.reported", id="e-3", data={"lat": 91.0})), "data.lat: "),
    (Feed("tickets", b"job-1", structured("ticket.closed", time="2999-01-01T00:00:00Z")), "time: too far"),
    (Feed("jobs", b"job-1", BOOKING, binary_headers(id=None)), "id: missing"),
    (Feed("jobs", b"job-1", b"{}", binary_headers(id="e-5")), "data.customer_id: missing"),
]

FIRST = Feed("jobs", b"job-1", structured("job.started", id="e-9", data={"partner_id": "p-1"}))
CONFLICT = Feed("jobs", b"job-1", structured("job.started", id="e-9", data={"partner_id": "p-2"}))


def test_refused_events_are_kept_complete_and_the_next_ones_are_decided(bench: Bench) -> None:
    worker = bench.start_ready()
    wanted = [*REFUSED, (CONFLICT, "id: /apps/partner#e-9 is known with other content")]
    bench.feed([FIRST, *(record for record, _ in wanted)])
    visit = Visit("job-2", "p-2")
    in_binary, *rest = map(feed_of, [*visit.booking, *visit.report, *visit.claim])
    bench.feed([as_binary(in_binary), *rest])
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    consumed = {(each.topic, each.partition, each.offset): each for each in bench.read(*INPUTS)}
    dead_letters = {
        (base64.b64decode(each.data["value"]), each.data["topic"].removeprefix(bench.prefix)): each
        for each in messages
        if each.type == "dead-letter"
    }
    assert len(dead_letters) == len(wanted)
    for record, reason in wanted:
        letter = dead_letters[record.value, record.topic]
        assert letter.data["reason"].startswith(reason)
        assert letter.record.key == record.key
        place = (record.topic, letter.data["partition"], letter.data["offset"])
        assert (consumed[place].key, consumed[place].value) == (record.key, record.value)
        assert kept_headers(letter.data) == list(record.headers)
    decided = {key[:2] for key in outcome(each.envelope for each in messages).decisions}
    assert decided == {("job-2", "tagging"), ("job-2", "paf")}
    assert worker.stop() == 0


def as_binary(record: Feed) -> Feed:
    """Return a record in binary content mode."""
    event = json.loads(record.value)
    headers = tuple((f"ce_{name}", str(value).encode()) for name, value in event.items() if name != "data")
    return Feed(record.topic, record.key, json.dumps(event["data"]).encode(), headers)


def kept_headers(data: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(name, base64.b64decode(value)) for name, value in data.get("headers", [])]
