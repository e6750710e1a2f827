"""`sop up`: all of it on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from schemas.errors import SopError, UsageError
from streams.clock import SystemClock
from streams.commands.policies import policies_from
from streams.embedded.jars import KAFKA_VERSION, EmbeddedKafkaError
from streams.embedded.kafka import EmbeddedKafka
from streams.kafka.connection import INPUT_BYTES_MAX
from streams.replay.recorded import Recorded, read_file
from streams.settings import Settings, cache_dir, java_home, settings_from
from streams.stop import StopWish
from streams.up.console import Board
from streams.up.feed import Line
from streams.up.samples import sample_lines, sample_options
from streams.up.session import Lines, Plan, Session
from streams.up.worker_child import WorkerChild

WORKER_LOG = "worker.log"


@click.command()
@click.option(
    "--data", metavar="DIR", type=click.Path(path_type=Path), help="Keep Kafka's data here (default: nowhere)."
)
@click.option("--duration", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), help="End by itself.")
@click.option("--input", "input_file", metavar="FILE", help="Send these events (JSON Lines, .gz and .zst too) instead.")
@click.option("--brokers", metavar="HOST:PORT", help="Use this running Kafka instead of an embedded one.")
@click.option("--jobs", type=int, default=1000, show_default=True, help="How many jobs the sample day has.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which sample day.")
@click.option(
    "--speed",
    metavar="EVENTS",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    help="Events sent per second.",
)
def command(
    data: Path | None,
    duration: float | None,
    input_file: str | None,
    brokers: str | None,
    jobs: int,
    seed: int,
    speed: float,
) -> int:
    """Run Kafka, a worker and a stream of sample events; show the decisions as they come."""
    settings = settings_from()
    policies_from(settings.policies)  # a policy that cannot be used is told before anything starts
    lines = _recorded(input_file) if input_file is not None else _samples(jobs, seed)
    with StopWish() as wish, _folder(data) as folder, _kafka(settings, brokers, folder) as kafka:
        used = (
            settings
            if kafka is None
            else replace(
                settings, brokers=kafka.address, kafka_security="plaintext", redis_url="", redis_url_file="", replicas=1
            )
        )
        used = used if brokers is None else replace(settings, brokers=brokers)
        board = Board(Console(highlight=False))
        plan = Plan(
            welcome=_welcome(used, data),
            settings=used,
            lines=lines,
            events_per_s=speed,
            duration_s=duration,
            broker_runs=(lambda: True) if kafka is None else (lambda: kafka.alive),
        )
        session = Session(plan, board, WorkerChild(used, folder / WORKER_LOG))
        status = _run(session, wish)
        for line in board.summary(session.sent):
            board.say(line)
    return status


def _run(session: Session, wish: StopWish) -> int:
    """Run a session; a part of it that ended by itself is told in one line, with status 1."""
    try:
        asyncio.run(session.run(wish))
    except UsageError:
        raise
    except SopError as error:
        print(f"sop: {error}", file=sys.stderr)
        return 1
    return 0


def _welcome(settings: Settings, data: Path | None) -> tuple[str, ...]:
    topic = f"{settings.topic_prefix}decisions.paf"
    return (
        f"Kafka is at {settings.brokers}" + (f", its data in {data}" if data else ""),
        f"look in:  kcat -b {settings.brokers} -C -t {topic} -o beginning -e -f '%k %s\\n'",
    )


def _samples(jobs: int, seed: int) -> Lines:
    options = sample_options(jobs=jobs, seed=seed)

    def lines(events_there: int) -> Iterator[Line]:
        return sample_lines(options, first_number=events_there + 1, now=SystemClock().now_us())

    return lines


def _recorded(file: str) -> Lines:
    """Return the lines of a file, which is opened at once: one that cannot be read is told before anything starts.

    Raises `UsageError` for a line that is larger than a message may be.
    """
    records = read_file(file, INPUT_BYTES_MAX)
    first = next(records, None)
    begun = records if first is None else chain([first], records)
    return lambda _: map(_line, begun)


def _line(record: Recorded) -> Line:
    if record.cut_from is not None:
        told = f"{record.cut_from} bytes are more than a message may have"
        raise UsageError(f"{record.topic}, line {record.offset}: {told}")
    return Line(record.value or b"")


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
def _kafka(settings: Settings, brokers: str | None, folder: Path) -> Iterator[EmbeddedKafka | None]:
    """An embedded Kafka over a folder; none where the user has a Kafka."""
    if brokers is not None:
        yield None
        return
    with _Fetching() as fetching:
        kafka = EmbeddedKafka(
            folder / "kafka",
            cache_dir=cache_dir(),
            partitions=settings.partitions,
            java_home=java_home(),
            progress=fetching.tell,
        )
        try:
            kafka.start()
        except EmbeddedKafkaError as error:
            raise UsageError(str(error)) from error
    try:
        yield kafka
    finally:
        kafka.stop()


class _Fetching(contextlib.AbstractContextManager["_Fetching"]):
    """A progress bar that appears when something is fetched."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None

    def tell(self, done: int, total: int) -> None:
        """Show that so many of all jars are there."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(f"fetching Apache Kafka {KAFKA_VERSION}, once", total=total)
        self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        """Take the bar away, if there is one."""
        if self._task is not None:
            self._bar.stop()
