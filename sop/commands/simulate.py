"""`sop simulate`: generates the events of a day in a city, to a file or to Kafka."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click
from click.decorators import FC

from agents.sops import catalogue
from schemas.errors import UsageError
from schemas.timestamps import format_instant
from sop.options import FILE, instant
from streams.config.settings import Settings, settings_from
from streams.demo.feed import Feed, ScheduledEvent
from streams.files.writing import line_writer, output_name
from streams.kafka.connection import connect_kafka
from streams.kafka.topic_setup import topic_targets
from streams.kafka.topics import prepare_topics
from streams.process.clock import SystemClock
from streams.process.signals import INTERRUPTIONS, StopSignals, interrupt
from streams.replay.inputs import KAFKA
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import branch_shares, simulate
from streams.terminal.printable import printable
from streams.terminal.progress import with_progress
from streams.terminal.wrapping import show

_DEFAULTS = SimulatorOptions()
CONTINUATION_INDENT: Final = " " * 17
"""Indents continuation lines to where the name of a branch begins."""


def _share(option: str, field: str, what: str) -> Callable[[FC], FC]:
    default = getattr(_DEFAULTS, field)
    return click.option(option, field, type=float, default=default, show_default=True, help=f"Share of events {what}.")


@click.command()
@click.option("--jobs", type=int, default=_DEFAULTS.jobs, show_default=True, help="Number of jobs.")
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--out",
    default="-",
    metavar="FILE",
    type=FILE,
    help="Write the events here: a file (.gz and .zst too), - for standard output (default), or "
    "kafka://HOST:PORT[/PREFIX].",
)
@click.option(
    "--speed", type=click.FloatRange(1), default=1_000, show_default=True, help="Events per second sent to Kafka."
)
@click.option(
    "--start",
    metavar="TIME",
    help=f"The first midnight (RFC 3339), in the past (default: {format_instant(_DEFAULTS.start_at)}).",
)
@click.option("--days", type=int, default=_DEFAULTS.days, show_default=True, help="Number of days.")
@click.option("--city", "cities", multiple=True, metavar="NAME", help="Simulate only this city; may be repeated.")
@_share("--late", "late_share", "delivered late")
@_share("--duplicates", "duplicate_share", "delivered twice")
@_share("--malformed", "malformed_share", "followed by a malformed copy")
@click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A GPS trace that partners follow (CSV: lat,lng,datetime,uid).",
)
@click.option("--stats", is_flag=True, help="Show the share of each branch of the SOPs instead of generating events.")
def command(out: str, speed: float, start: str | None, stats: bool, **given: Any) -> None:
    """Generate a day of job, location, ticket and cancellation events, in their order of arrival.

    Runs with different seeds or starts have no ids in common.
    """
    start_at = _DEFAULTS.start_at if start is None else instant("--start", start)
    if start_at > SystemClock().now_us():  # the workers would refuse the events
        raise UsageError(f"--start: {start} is in the future")
    options = SimulatorOptions(start_at=start_at, **given)
    if stats:
        for branch in branch_shares(options):
            show(f"{branch.share:7.2%}  {branch.jobs:6d}  {branch.name}: {branch.leads_to}", CONTINUATION_INDENT)
        return
    lines = with_progress(_lines(options), "events")
    if out.startswith(KAFKA):
        brokers, _, prefix = out.removeprefix(KAFKA).partition("/")
        settings = replace(settings_from(), brokers=brokers, topic_prefix=prefix)
        print(printable(f"{asyncio.run(_send(settings, lines, speed))} events sent to {out}"), file=sys.stderr)
        return
    sources = [str(options.trace_file)] if options.trace_file else []
    with StopSignals(INTERRUPTIONS, interrupt), line_writer(out, sources) as write:
        count = 0
        for line in lines:
            write(line)
            count += 1
    print(printable(f"{count} events written to {output_name(out)}"), file=sys.stderr)


def _lines(options: SimulatorOptions) -> Iterator[bytes]:
    """Yield the lines of `simulate`; a generator, so that progress is shown while the day is planned."""
    yield from simulate(options)


async def _send(settings: Settings, lines: Iterator[bytes], speed: float) -> int:
    """Send events to Kafka, creating missing topics; return how many were acknowledged."""
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix)
    await prepare_topics(connection, topics, topic_targets(settings))
    feed = Feed(connection, topics, SystemClock(), events_per_s=speed)
    await feed.run(ScheduledEvent(value) for value in lines)
    return feed.sent
