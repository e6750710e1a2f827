"""`sop replay`: decides recorded events again."""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import click

from agents.sops.catalogue import POLICIES
from schemas.policy.model import PolicySet
from sop.options import FILE, instant
from streams.config.settings import Settings, settings_from
from streams.files.reading import input_name
from streams.files.writing import line_writer, output_name
from streams.operations.signature_check import signature_check
from streams.policies.book import PolicyBook
from streams.process.clock import SystemClock
from streams.process.signals import INTERRUPTIONS, StopSignals, interrupt
from streams.replay.inputs import KAFKA, RereadableInputs, archive_of, is_archive, read_inputs
from streams.replay.parallel import can_fork, replay_in_parallel
from streams.replay.replay import ReplayResult, ReplaySettings, replay_sequentially
from streams.terminal.printable import printable
from streams.terminal.progress import with_progress

PROGRESS: Final = "records read"
JOBS_MAX: Final = 256
"""A typing error must not start more processes than the system can bear."""


@click.command()
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True, type=FILE)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=FILE,
    help="Write the output here, as JSON Lines (.gz and .zst too); - for standard output.",
)
@click.option("--policy", metavar="FILE", type=FILE, help="Decide all cases under this policy, whatever its date.")
@click.option("--until", metavar="TIME", help="End the virtual clock here (RFC 3339; default: the last event's time).")
@click.option(
    "--jobs",
    type=click.IntRange(1, JOBS_MAX),
    metavar="N",
    help="Number of processes; the output does not depend on it (default: one per core).",
)
def command(inputs: tuple[str, ...], out: str, policy: str | None, until: str | None, jobs: int | None) -> int:
    """Decide recorded events: JSON Lines files (.gz and .zst too), - for standard input, or kafka://HOST:PORT[/PREFIX].

    Exits with 1 if no record of the input could be accepted.
    """
    settings = settings_from()
    replay = replay_settings(settings, inputs, policy=policy, until=until)
    processes = (jobs or os.cpu_count() or 1) if can_fork() else 1
    sources = [*inputs, *((policy,) if policy else settings.policies)]
    if gc.isenabled():  # a replay keeps its objects to the end, and they form no reference cycles
        gc.disable()
        click.get_current_context().call_on_close(gc.enable)
    with (
        StopSignals(INTERRUPTIONS, interrupt),
        line_writer(out, sources) as write,
        _replay(processes, inputs, settings, replay) as result,
    ):
        lines = 0
        for line in with_progress(result.lines, "lines written"):
            write(line)
            lines += 1
    print(
        f"{result.events} events, {result.duplicates} duplicates, {result.refused} dead letters: "
        f"{result.cases} cases, {lines - result.refused} messages",
        file=sys.stderr,
    )
    if result.refused and not result.events:
        names = ", ".join(map(input_name, inputs))
        print(printable(f"sop: no record of {names} was accepted; {output_name(out)} has the reasons"), file=sys.stderr)
        return 1
    return 0


def _replay(
    processes: int, inputs: Sequence[str], settings: Settings, replay: ReplaySettings
) -> AbstractContextManager[ReplayResult]:
    if processes == 1:
        return nullcontext(replay_sequentially(with_progress(read_inputs(inputs, settings), PROGRESS), replay))
    records = RereadableInputs(inputs, settings)
    return replay_in_parallel(processes, records, replay, first_reading=with_progress(records, PROGRESS))


def replay_settings(
    settings: Settings, inputs: Sequence[str], *, policy: str | None, until: str | None
) -> ReplaySettings:
    """Return the settings for `--policy` (a file) and `--until` (RFC 3339).

    Inputs in Kafka and archives come with the policies that were published there.

    Without `--until` events in the future are refused; with it they are ignored, so the result never depends on today.
    """
    return ReplaySettings(
        policies=PolicySet([], POLICIES.load(policy)) if policy else _policies(settings, inputs),
        limits=settings.limits,
        facts_per_case_max=settings.facts_per_case_max,
        until=None if until is None else instant("--until", until),
        now=SystemClock().now_us() if until is None else None,
    )


def _policies(settings: Settings, inputs: Sequence[str]) -> PolicySet:
    policies = POLICIES.load_all(settings.policies)
    for address in (name.removeprefix(KAFKA) for name in inputs if name.startswith(KAFKA)):
        from streams.operations.published_policies import read_policies  # noqa: PLC0415 - as slow as the next one
        from streams.replay.kafka_input import kafka_source  # noqa: PLC0415 - the Kafka client is slow to import

        policies = asyncio.run(read_policies(settings, *kafka_source(address, settings), policies)).policies
    for name in filter(is_archive, inputs):
        policies = archive_of(name, settings).policies(PolicyBook(policies, signature_check(settings)))
    return policies
