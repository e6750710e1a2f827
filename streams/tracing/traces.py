"""OpenTelemetry traces from an event to the decisions that follow from it.

Only events that come with a sampled W3C `traceparent` are traced: the sender decides what is followed. Spans go out
from a thread of their own, through a bounded queue. A collector that does not answer costs spans, nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final, Self

import msgspec
from msgspec import Struct
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as OtelTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.errors import InvalidMessage
from schemas.events import Event
from schemas.outputs import DecisionMessage, OutputMessage
from streams.process.clock import SystemClock
from streams.processor.decoder import DecodedRecord, is_for_partner
from streams.runtime.ports import Incoming
from streams.terminal.printable import without_passwords

EXPORT_S: Final = 5.0
"""How long one request to the collector may take, its repetitions included."""
FLUSH_S: Final = 1.0
"""For how long a worker that stops waits for its last spans to be sent."""
LINKS_MAX: Final = 32
"""The most events that one decision is linked to."""
TRACEPARENT: Final = "traceparent"
_FIELDS: Final = {name: field for field in (TRACEPARENT, "tracestate") for name in (field, f"ce_{field}")}
"""The headers that may hold them: W3C's, and CloudEvents' extension in binary mode."""

logger = logging.getLogger("sop.traces")


class _Extensions(Struct):
    """CloudEvents' extension for traces, in the envelope of structured mode."""

    traceparent: str = ""
    tracestate: str = ""


_extensions: Final = msgspec.json.Decoder(_Extensions)
_propagator: Final = TraceContextTextMapPropagator()


class Traces:
    """Sends the spans of this process to a collector (OTLP over HTTP) until the `with` block ends."""

    def __init__(self, endpoint: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it repeats what `_Exporter` says once
        exporter = _Exporter(OTLPSpanExporter(endpoint, timeout=EXPORT_S), without_passwords(endpoint))
        self._spans = BatchSpanProcessor(exporter)
        resource = Resource.create({"service.name": "sop-streams", "service.version": version("sop-streams")})
        self._provider = TracerProvider(ParentBased(ALWAYS_OFF), resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self._spans)

    def tracer(self, partition: int) -> PartitionTracer:
        """Return the tracer of a partition number."""
        return PartitionTracer(self._provider.get_tracer("sop.worker"), partition)

    def __enter__(self) -> Self:
        """Return the traces, which are being sent already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Send what is left, within a limited time."""
        ending = threading.Thread(target=self._spans.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)


class PartitionTracer:
    """The spans of one partition number (see `streams.processor.tracer.Tracer`).

    An event has a span `consume`, from the timestamp of its record to where it was applied. `decide` is a child of the
    first event that the case was not decided on, linked to the others, and `publish` is its child.
    """

    def __init__(self, tracer: OtelTracer, partition: int) -> None:
        self._tracer = tracer
        self._partition = partition
        self._undecided: dict[str, list[SpanContext]] = {}
        self._deciding: Span | None = None
        self._unpublished: list[Span] = []

    def consumed(self, records: Sequence[DecodedRecord]) -> None:
        """Note that records were applied or refused."""
        for each in records:
            source = each.forwarded_from or each.record
            if (parent := _sampled(source)) is not None:
                self._consume(each, source, parent)

    def begin_decision(self, case_id: str) -> None:
        """Note that a case is about to be decided."""
        events = self._undecided.pop(case_id, None)
        if events:
            links = [Link(each) for each in events[1:]]
            attributes = {"sop.case_id": case_id}
            self._deciding = self._tracer.start_span("decide", _child_of(events[0]), attributes=attributes, links=links)

    def end_decision(self, messages: Sequence[OutputMessage]) -> None:
        """Note what was decided about that case."""
        span, self._deciding = self._deciding, None
        if span is None:
            return
        bodies = [each.body for each in messages if isinstance(each, DecisionMessage)]
        span.set_attribute("sop.decisions", [f"{body.kind} {body.outcome} {body.status}" for body in bodies])
        span.end()
        if messages:
            publish = self._tracer.start_span("publish", _child_of(span.get_span_context()), kind=SpanKind.PRODUCER)
            publish.set_attributes({"messaging.system": "kafka", "messaging.batch.message_count": len(messages)})
            self._unpublished.append(publish)

    def published(self) -> None:
        """Note that all that was decided is acknowledged."""
        for span in self._unpublished:
            span.end()
        self._unpublished.clear()

    def _consume(self, decoded: DecodedRecord, source: Incoming, parent: SpanContext) -> None:
        content, topic = decoded.content, decoded.origin.topic
        now = SystemClock().now_us() * 1000
        at = decoded.timestamp_us
        span = self._tracer.start_span(
            f"consume {topic}",
            _child_of(parent),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(decoded.origin.partition),
                "messaging.kafka.offset": source.offset,
            },
            start_time=now if at is None else min(at * 1000, now),  # a producer's clock may be ahead
        )
        if isinstance(content, InvalidMessage):
            span.set_status(StatusCode.ERROR, "refused")
        elif isinstance(content, Event) and not is_for_partner(content):
            undecided = self._undecided.setdefault(content.subject, [])
            if len(undecided) < LINKS_MAX:
                undecided.append(span.get_span_context())
        span.end(now)


class _Exporter(SpanExporter):
    """Says once that the collector takes no spans, and once that it takes them again."""

    def __init__(self, exporter: OTLPSpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that cannot be sent are lost."""
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            logger.warning("%s takes no spans; they are lost until it does", self._endpoint)
        elif self._fails and not fails:
            logger.info("%s takes spans again", self._endpoint)
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _sampled(record: Incoming) -> SpanContext | None:
    """Return the context that a record came with, None if there is none, or its sender does not sample it."""
    context = get_current_span(_propagator.extract(_carrier(record), Context())).get_span_context()
    return context if context.is_valid and context.trace_flags.sampled else None


def _carrier(record: Incoming) -> Mapping[str, str]:
    """Return `traceparent` and `tracestate` of a record: its headers, or else the extension in its envelope."""
    given = [(name, value) for name, value in record.headers if name in _FIELDS and value]
    found = {_FIELDS[name]: value.decode("ascii", "replace") for name, value in given}
    if TRACEPARENT not in found and record.value is not None and b'"traceparent"' in record.value:
        try:
            found = msgspec.structs.asdict(_extensions.decode(record.value))
        except (ValueError, RecursionError):
            return {}
    return found


def _child_of(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context())
