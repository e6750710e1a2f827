"""Runs everything on this machine: Kafka, a worker, a console, events, and the decisions as they come."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final

from rich.console import Console

from agents.sops.catalogue import POLICIES
from schemas.errors import SopError, UsageError
from schemas.policy.model import HOUR
from streams.config.settings import Settings, cache_dir, java_home, settings_from
from streams.demo.feed import ScheduledEvent
from streams.demo.live_view import LiveView, ProgressLine
from streams.demo.session import DemoOptions, EventSource, Session
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.jars import KAFKA_VERSION
from streams.kafka.connection import INPUT_BYTES_MAX
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals
from streams.replay.input_record import InputRecord
from streams.replay.inputs import read_file
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries
from streams.terminal.printable import printable, without_passwords

MB: Final = 1_000_000

STARTED_AGO: Final = 13 * HOUR
"""How long before the present the simulated day began, at its midnight."""

HEAD_START: Final = 10 * HOUR
"""Events up to this hour of the day are sent unpaced, so that there are decisions from the start."""

REPORT_INTERVAL_S: Final = 60


def run_demo(options: DemoOptions, live_view: LiveView, progress: ProgressLine, stop_signals: StopSignals) -> int:
    """Run until stopped or for the duration; return the exit status: 1 if the worker or the broker fails.

    Raises `UsageError` if an option, a setting or a policy cannot be used.
    """
    settings = settings_from()
    POLICIES.load_all(settings.policies)  # report an unusable policy before anything starts
    if options.input_file is not None:
        events = _recorded_events(options.input_file)
    else:
        events = partial(sample_events, sample_options(jobs=options.jobs, seed=options.seed))
    status = 0
    with _folder(options.data) as folder, _kafka(settings, options.brokers, Path(folder), progress) as kafka:
        if kafka is not None:
            settings = replace(
                settings, brokers=kafka.address, kafka_security="plaintext", redis_url="", redis_url_file="", replicas=1
            )
        elif options.brokers is not None:
            settings = replace(settings, brokers=options.brokers)
        session = Session(
            options=options,
            settings=settings,
            events=events,
            kafka=kafka,
            folder=Path(folder),
            live_view=live_view,
            progress=progress,
        )
        try:
            asyncio.run(session.run(stop_signals))
        except UsageError:
            raise
        except SopError as error:
            Console(stderr=True).out(printable(without_passwords(f"sop: {error}")), highlight=False)
            status = 1
        live_view.print_summary(session.feed.sent)
    return status


def sample_options(*, jobs: int, seed: int) -> SimulatorOptions:
    """Return the options of the simulated day; raises `UsageError` for a value out of range."""
    return SimulatorOptions(jobs=jobs, seed=seed, report_interval_s=REPORT_INTERVAL_S)


def sample_events(options: SimulatorOptions, now: int | None = None) -> Iterator[ScheduledEvent]:
    """Yield the events of the day in their order of arrival, each not before it arrives.

    `now` is in microseconds (default: the system's clock).
    """
    start_at = (SystemClock().now_us() if now is None else now) - STARTED_AGO
    for delivery in deliveries(replace(options, start_at=start_at)):
        arrive_at = delivery.arrive_at
        yield ScheduledEvent(delivery.line, not_before=arrive_at, paced=arrive_at > start_at + HEAD_START)


def _recorded_events(file: str) -> EventSource:
    """Return the events of a file, whose first line is read here, so that errors come before anything starts.

    Raises `UsageError` if the file cannot be read or, later, if a line is larger than a message may be.
    """
    records = read_file(file, INPUT_BYTES_MAX)
    first = list(islice(records, 1))
    return lambda: map(_event, chain(first, records))


def _event(record: InputRecord) -> ScheduledEvent:
    if record.original_sizes is not None:
        reason = f"{record.original_sizes.value} bytes are more than a message may have"
        raise UsageError(f"{record.topic}, line {record.offset}: {reason}")
    return ScheduledEvent(record.value or b"")


def _folder(data: Path | None) -> AbstractContextManager[str]:
    """Return the folder for data and logs: the user's, or a temporary one that is removed at the end."""
    if data is None:
        return tempfile.TemporaryDirectory(prefix="sop-up-", ignore_cleanup_errors=True)
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{data}: cannot be used: {error.strerror}") from error
    return nullcontext(str(data))


def _kafka(
    settings: Settings, brokers: str | None, folder: Path, progress: ProgressLine
) -> AbstractContextManager[EmbeddedKafka | None]:
    """Return an embedded Kafka with its data in a folder; None if the user names a running Kafka."""
    if brokers is not None:
        return nullcontext()
    starting = f"starting Apache Kafka {KAFKA_VERSION}"
    progress.show(starting)

    def show_download(done: int, total: int) -> None:
        fetching = f"fetching Apache Kafka {KAFKA_VERSION}, once: {done / MB:.0f} of {total / MB:.0f} MB"
        progress.update(starting if done == total else fetching)

    return EmbeddedKafka(
        folder / "kafka",
        cache_dir=cache_dir(),
        partitions=settings.partitions,
        java_home=java_home(),
        progress=show_download,
    )
