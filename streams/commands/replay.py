"""`sop replay`: recorded events, decided again."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from schemas.encoding import dead_letter_message, encode_message
from schemas.errors import UsageError
from schemas.events import AnyEvent
from schemas.policy import PolicySet
from streams.casework.intake import is_report
from streams.commands.inputs import instant, recorded
from streams.commands.policies import only, policies_from
from streams.commands.progress import counted
from streams.replay.parallel import can_fork, lines_on
from streams.replay.recorded import Refused, settle
from streams.replay.replay import Replay
from streams.settings import settings_from


@click.command()
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True)
@click.option(
    "--out", required=True, metavar="FILE", help="Where to write what is emitted, as JSON Lines; - for standard output."
)
@click.option("--policy", metavar="FILE", help="Decide all cases under this policy, whatever its date.")
@click.option(
    "--until", metavar="TIME", help="Where the virtual clock ends (RFC 3339; default: the last event's time)."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="On how many processes; what is written does not depend on it (default: one for each core).",
)
def command(inputs: tuple[str, ...], out: str, policy: str | None, until: str | None, jobs: int | None) -> None:
    """Decide recorded events: JSON Lines files (.gz and .zst too), or kafka://HOST:PORT[/PREFIX]."""
    settings = settings_from()
    end = instant("--until", until) if until is not None else None
    policies = only(policy) if policy else policies_from(settings.policies)
    processes = (jobs or os.cpu_count() or 1) if can_fork() else 1
    settled = settle(counted(recorded(inputs, settings), "events read"), settings.limits)
    lines = _lines(processes, settled.events, policies, facts_per_case_max=settings.facts_per_case_max, until=end)
    written = _write(out, itertools.chain(map(_dead_letter, settled.refused), counted(lines, "messages")))
    cases = {each.subject for each in settled.events if not is_report(each) and (end is None or each.time <= end)}
    print(
        f"{len(settled.events)} events, {settled.duplicates} duplicates, {len(settled.refused)} dead letters: "
        f"{len(cases)} cases, {written - len(settled.refused)} messages",
        file=sys.stderr,
    )


def _lines(
    processes: int, events: Sequence[AnyEvent], policies: PolicySet, *, facts_per_case_max: int, until: int | None
) -> Iterator[bytes]:
    if processes == 1:
        return map(encode_message, Replay(policies, facts_per_case_max=facts_per_case_max).run(events, until))
    return lines_on(processes, events, policies, facts_per_case_max=facts_per_case_max, until=until)


def _dead_letter(refused: Refused) -> bytes:
    record = refused.record
    return dead_letter_message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=refused.reason,
        value=record.value or b"",
        key=record.key,
        headers=record.headers,
    )


def _write(out: str, lines: Iterable[bytes]) -> int:
    """Write lines to a file that is there whole or not at all, or to standard output; return how many there were."""
    written = 0
    if out == "-":
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
            written += 1
        sys.stdout.buffer.flush()
        return written
    unfinished = Path(f"{out}.unfinished")
    try:
        with unfinished.open("wb") as file:
            for line in lines:
                file.write(line + b"\n")
                written += 1
        unfinished.replace(out)
        return written
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
