"""Events with a sampled traceparent are followed to their decisions; nothing else costs or changes anything."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from schemas.errors import UsageError
from streams.config.settings import settings_from
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.processor import SopProcessor
from streams.runtime.ports import TP, Outgoing, Stored
from streams.tracing import traces as module
from streams.tracing.extra import open_traces
from streams.tracing.traces import Traces
from tests.collector import Collector
from tests.processors import SETTINGS
from tests.scenario import MIDNIGHT, Scenario

SECOND = 1_000_000
LATER = MIDNIGHT + 86_400 * SECOND
TICKETS = TP("tickets", 0)
LINES = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01".encode()
UNSAMPLED = f"00-{TRACE}-{PARENT}-00".encode()
Headers = tuple[tuple[str, bytes | None], ...]


def records(headers: Headers, lines: Sequence[bytes] = LINES) -> list[Stored]:
    return [Stored(at, b"k", line, headers, LATER // 1000) for at, line in enumerate(lines)]


async def decided(traces: Traces | None, *batches: list[Stored]) -> list[Outgoing]:
    """Return what a processor emits for batches, each evaluated and published by itself."""
    store = MemoryStore(MemoryState())
    await store.claim()
    owner = SopProcessor(0, SETTINGS, store, tracer=None if traces is None else traces.tracer(0))
    outgoing: list[Outgoing] = []
    for batch in batches:
        await owner.process([(TICKETS, batch)], LATER)
        outgoing += await owner.evaluate(LATER, {}, [])
        owner.mark_published(LATER)
    return outgoing


def by_name(spans: Sequence[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in spans:
        found.setdefault(span.name, []).append(span)
    return found


@pytest.mark.parametrize("name", ["traceparent", "ce_traceparent"])
async def test_an_event_is_followed_from_its_sender_to_the_decision(name: str) -> None:
    with Collector() as collector, Traces(collector.endpoint) as traces:
        await decided(traces, records(((name, SAMPLED),)))
        traces.__exit__()
        spans = by_name(collector.wait_for(len(LINES) + 2))
    consumed, (decide,), (publish,) = spans["consume tickets"], spans["decide"], spans["publish"]
    assert len(consumed) == len(LINES)
    assert {span.trace_id.hex() for each in spans.values() for span in each} == {TRACE}
    assert {span.parent_span_id.hex() for span in consumed} == {PARENT}
    assert decide.parent_span_id == consumed[0].span_id
    assert [link.span_id for link in decide.links] == [span.span_id for span in consumed[1:]]
    assert publish.parent_span_id == decide.span_id
    assert consumed[0].start_time_unix_nano == LATER * 1000
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for each in spans.values() for span in each)
    assert {each.key: each.value.string_value for each in decide.attributes}["sop.case_id"].startswith("job-")
    attributes = [{each.key: each.value.int_value for each in span.attributes} for span in consumed]
    assert [each["messaging.kafka.offset"] for each in attributes] == list(range(len(LINES)))


async def test_the_extension_in_the_envelope_counts_unless_a_header_says_otherwise() -> None:
    (line,) = (line for line in LINES if b'"job.booked"' in line)
    extended = line.replace(b"{", b'{"traceparent":"%s",' % SAMPLED, 1)
    with Collector() as collector, Traces(collector.endpoint) as traces:
        await decided(traces, records((("traceparent", UNSAMPLED),), [extended]), records((), [extended]))
        traces.__exit__()
        (span,) = by_name(collector.wait_for(1))["consume tickets"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("traceparent", UNSAMPLED),),
        (("traceparent", None),),
        (("traceparent", b"00-zz-1-01"),),
        (("traceparent", b"\xff" * 55),),
        (("traceparent", SAMPLED), ("traceparent", UNSAMPLED)),
        (("tracestate", b"a=b"),),
    ],
)
async def test_an_event_without_a_sampled_traceparent_has_no_span(headers: Headers) -> None:
    with Collector() as collector, Traces(collector.endpoint) as traces:
        await decided(traces, records(headers))
        traces.__exit__()
        assert collector.spans == []


async def test_a_refused_record_has_a_span_with_an_error() -> None:
    with Collector() as collector, Traces(collector.endpoint) as traces:
        await decided(traces, records((("traceparent", SAMPLED),), [b"no json"]))
        traces.__exit__()
        (span,) = collector.wait_for(1)
    assert (span.name, span.status.message) == ("consume tickets", "refused")


async def test_traces_change_no_byte_of_what_is_emitted() -> None:
    batches = [records((("traceparent", SAMPLED),), [line]) for line in LINES]
    with Collector() as collector, Traces(collector.endpoint) as traces:
        assert await decided(traces, *batches) == await decided(None, *batches) != []


async def test_a_silent_collector_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPORT_S", 0.5)
    others = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        traces = Traces(endpoint)
        for _ in range(1000):  # more spans than the queue holds
            await decided(traces, records((("traceparent", SAMPLED),)))
        began = time.monotonic()
        traces.__exit__()
        assert time.monotonic() - began < module.FLUSH_S + 5
    for each in set(threading.enumerate()) - others:  # they draw from `random`, which Hypothesis notices
        each.join()


def test_a_collector_that_refuses_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sop.traces")
    with Collector(status=400) as collector:
        exporter = module._Exporter(OTLPSpanExporter(collector.endpoint, timeout=1), "collector")
        exporter.export([])
        exporter.export([])
        collector.status = 200
        exporter.export([])
        exporter.export([])
    assert [record.getMessage() for record in caplog.records if record.name == "sop.traces"] == [
        "collector takes no spans; they are lost until it does",
        "collector takes spans again",
    ]


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, streams.worker; from streams.config.settings import Settings\n"
        "from streams.tracing.extra import open_traces\n"
        "with open_traces(Settings()) as tracer_of: assert tracer_of(0) is None\n"
        "sys.exit(any(name.startswith(('opentelemetry.exporter', 'opentelemetry.sdk.trace')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streams.tracing.traces", None)
    settings = settings_from({"SOP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"})
    with pytest.raises(UsageError, match=r"pip install 'sop-streams\[tracing\]'"), open_traces(settings):
        pass


def test_another_machine_needs_tls() -> None:
    settings = settings_from({"SOP_TRACES_ENDPOINT": "http://collector.example.com:4318/v1/traces"})
    with pytest.raises(UsageError, match=r"SOP_TRACES_ENDPOINT: http to another machine"), open_traces(settings):
        pass
