"""`sop replay`: recorded events, decided again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from schemas.encoding import dead_letter_message, encode_message
from schemas.errors import UsageError
from streams.commands.inputs import instant, recorded
from streams.commands.policies import only, policies_from
from streams.recorded import Refused, settle
from streams.replay import Replay
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
def command(inputs: tuple[str, ...], out: str, policy: str | None, until: str | None) -> None:
    """Decide recorded events: JSON Lines files (.gz and .zst too), or kafka://HOST:PORT[/PREFIX]."""
    settings = settings_from()
    end = instant("--until", until) if until is not None else None
    policies = only(policy) if policy else policies_from(settings.policies)
    settled = settle(recorded(inputs, settings), settings.limits)
    replay = Replay(policies, facts_per_case_max=settings.facts_per_case_max)
    messages = 0

    def lines() -> Iterator[bytes]:
        nonlocal messages
        yield from map(_dead_letter, settled.refused)
        for message in replay.run(settled.events, end):
            messages += 1
            yield encode_message(message)

    _write(out, lines())
    print(
        f"{len(settled.events)} events, {settled.duplicates} duplicates, {len(settled.refused)} dead letters: "
        f"{len(replay.cases.cases)} cases, {messages} messages",
        file=sys.stderr,
    )


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


def _write(out: str, lines: Iterable[bytes]) -> None:
    """Write lines to a file that is there whole or not at all, or to standard output."""
    if out == "-":
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
        return
    unfinished = Path(f"{out}.unfinished")
    try:
        with unfinished.open("wb") as file:
            for line in lines:
                file.write(line + b"\n")
        unfinished.replace(out)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
