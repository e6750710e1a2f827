"""All of it on this machine: a Kafka, a worker, events, and the decisions as they come."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from rich.console import Console

from schemas.errors import SopError, UsageError
from schemas.policy.document import load_policies
from streams.config.settings import Settings, cache_dir, java_home, settings_from
from streams.demo.feed import ScheduledEvent
from streams.demo.live_view import LiveView
from streams.demo.progress_line import ProgressLine
from streams.demo.samples import sample_events, sample_options
from streams.demo.session import EventSource, Session, SessionOptions
from streams.demo.worker_child import WorkerChild
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.jars import KAFKA_VERSION, EmbeddedKafkaError
from streams.kafka.connection import INPUT_BYTES_MAX
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals
from streams.replay.inputs import InputRecord, read_file
from streams.terminal.printable import printable, without_passwords

WORKER_LOG: Final = "worker.log"
MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What was asked for: a folder to keep Kafka's data in, how long from the first event on, the events, a Kafka."""

    data: Path | None
    duration_s: float | None
    input_file: str | None
    brokers: str | None
    jobs: int
    seed: int
    events_per_s: float


def run_demo(options: DemoOptions, live_view: LiveView, progress: ProgressLine, stop_signals: StopSignals) -> int:
    """Run until stopped or until the time is over; return the exit status.

    Raises `UsageError` for what cannot be used.
    """
    settings = settings_from()
    load_policies(settings.policies)  # a policy that cannot be used is told before anything starts
    events = (
        _recorded_events(options.input_file)
        if options.input_file is not None
        else _sample_events(options.jobs, options.seed)
    )
    with _folder(options.data) as folder, _kafka(settings, options.brokers, folder, progress) as kafka:
        used = (
            settings
            if kafka is None
            else replace(
                settings, brokers=kafka.address, kafka_security="plaintext", redis_url="", redis_url_file="", replicas=1
            )
        )
        used = used if options.brokers is None else replace(settings, brokers=options.brokers)
        plan = SessionOptions(
            welcome=_welcome(used, options.data),
            settings=used,
            events=events,
            events_per_s=options.events_per_s,
            duration_s=options.duration_s,
            broker_runs=(lambda: True) if kafka is None else (lambda: kafka.alive),
        )
        session = Session(plan, live_view, progress, WorkerChild(used, folder / WORKER_LOG))
        status = _run(session, stop_signals)
        live_view.print_summary(session.sent)
    return status


def _run(session: Session, stop_signals: StopSignals) -> int:
    """Run a session; a part of it that ended by itself is told in one line, with status 1."""
    try:
        asyncio.run(session.run(stop_signals))
    except UsageError:
        raise
    except SopError as error:
        Console(stderr=True).out(printable(without_passwords(f"sop: {error}")), highlight=False)
        return 1
    return 0


def _welcome(settings: Settings, data: Path | None) -> tuple[str, ...]:
    topic = f"{settings.topic_prefix}decisions.paf"
    return (
        f"Kafka is at {settings.brokers}" + (f", its data in {data}" if data else ""),
        f"look in:  kcat -b {settings.brokers} -C -e -t {topic} -f '%k %s\\n'",
    )


def _sample_events(jobs: int, seed: int) -> EventSource:
    options = sample_options(jobs=jobs, seed=seed)

    return lambda: sample_events(options, now=SystemClock().now_us())


def _recorded_events(file: str) -> EventSource:
    """Return the lines of a file, which is opened at once: one that cannot be read is told before anything starts.

    Raises `UsageError` for a line that is larger than a message may be.
    """
    records = read_file(file, INPUT_BYTES_MAX)
    first = next(records, None)
    begun = records if first is None else chain([first], records)
    return lambda: map(_event, begun)


def _event(record: InputRecord) -> ScheduledEvent:
    if record.original_sizes is not None:
        told = f"{record.original_sizes.value} bytes are more than a message may have"
        raise UsageError(f"{record.topic}, line {record.offset}: {told}")
    return ScheduledEvent(record.value or b"")


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """A folder for what is written: the user's, or one that goes away in the end."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="sop-up-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{data}: cannot be used: {error.strerror}") from error
    yield data


@contextlib.contextmanager
def _kafka(
    settings: Settings, brokers: str | None, folder: Path, progress: ProgressLine
) -> Iterator[EmbeddedKafka | None]:
    """An embedded Kafka over a folder; none where the user has a Kafka."""
    if brokers is not None:
        yield None
        return
    starting = f"starting Apache Kafka {KAFKA_VERSION}"
    progress.show(starting)

    def fetched(there: int, total: int) -> None:
        progress.update(
            starting
            if there == total
            else f"fetching Apache Kafka {KAFKA_VERSION}, once: {there / MB:.0f} of {total / MB:.0f} MB"
        )

    kafka = EmbeddedKafka(
        folder / "kafka",
        cache_dir=cache_dir(),
        partitions=settings.partitions,
        java_home=java_home(),
        progress=fetched,
    )
    try:
        kafka.start()
    except EmbeddedKafkaError as error:
        raise UsageError(str(error)) from error
    try:
        yield kafka
    finally:
        kafka.stop()
