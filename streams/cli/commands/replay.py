"""`sop replay`: recorded events, decided again."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import click

from schemas.policy.document import load_policies, load_policy
from schemas.policy.model import PolicySet
from streams.cli.inputs import Rereadable, instant, present_unless, recorded
from streams.cli.options import FILE
from streams.config.settings import Settings, settings_from
from streams.files.reading import input_name
from streams.files.writing import line_writer, output_name
from streams.process.signals import INTERRUPTIONS, StopSignals, interrupt
from streams.replay.parallel import can_fork, replay_in_parallel
from streams.replay.sequential import ReplayResult, ReplaySettings, replay_sequentially
from streams.terminal.printable import printable
from streams.terminal.progress import with_progress

READ = "records read"
JOBS_MAX = 256
"""Each is a process, and a slip of the finger must not start as many as the system can bear."""


@click.command()
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True, type=FILE)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=FILE,
    help="Where to write what is emitted, as JSON Lines (.gz and .zst too); - for standard output.",
)
@click.option("--policy", metavar="FILE", type=FILE, help="Decide all cases under this policy, whatever its date.")
@click.option(
    "--until", metavar="TIME", help="Where the virtual clock ends (RFC 3339; default: the last event's time)."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, JOBS_MAX),
    metavar="N",
    help="On how many processes; what is written does not depend on it (default: one for each core).",
)
def command(inputs: tuple[str, ...], out: str, policy: str | None, until: str | None, jobs: int | None) -> int:
    """Decide recorded events: JSON Lines files (.gz and .zst too), - for standard input, or kafka://HOST:PORT[/PREFIX].

    Exits with 1 where no line of the input could be accepted.
    """
    settings = settings_from()
    end = instant("--until", until) if until is not None else None
    policies = PolicySet([], load_policy(policy)) if policy else load_policies(settings.policies)
    processes = (jobs or os.cpu_count() or 1) if can_fork() else 1
    terms = ReplaySettings(
        policies=policies,
        limits=settings.limits,
        facts_per_case_max=settings.facts_per_case_max,
        until=end,
        now=present_unless(end),
    )
    sources = [*inputs, *((policy,) if policy else settings.policies)]
    with (
        StopSignals(INTERRUPTIONS, interrupt),
        _uncollected(),
        line_writer(out, sources) as write,
        _outcome(processes, inputs, settings, terms) as outcome,
    ):
        count = 0
        for line in with_progress(outcome.lines, "lines written"):
            write(line)
            count += 1
    print(
        f"{outcome.events} events, {outcome.duplicates} duplicates, {outcome.refused} dead letters: "
        f"{outcome.cases} cases, {count - outcome.refused} messages",
        file=sys.stderr,
    )
    if outcome.refused and not outcome.events:
        told = f"sop: no line of {', '.join(map(input_name, inputs))} was accepted; {output_name(out)} says why"
        print(printable(told), file=sys.stderr)
        return 1
    return 0


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave the garbage collector out: a replay keeps what it makes, and no part of that refers back to itself."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _outcome(
    processes: int, inputs: Sequence[str], settings: Settings, terms: ReplaySettings
) -> AbstractContextManager[ReplayResult]:
    if processes == 1:
        return nullcontext(replay_sequentially(with_progress(recorded(inputs, settings), READ), terms))
    records = Rereadable(inputs, settings)
    return replay_in_parallel(processes, records, terms, first_time=with_progress(records, READ))
