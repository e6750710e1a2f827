"""`sop dead-letters`: what was refused, why, and another chance for it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.errors import UsageError
from schemas.instants import format_instant
from schemas.topics import INPUTS, Topics
from streams.clock import SystemClock
from streams.connections import connect_kafka
from streams.dead_letters import Letter, Redrive, Selection, read_letters, redrive_of
from streams.kafka.connection import KafkaConnection
from streams.redrive import send_again
from streams.settings import settings_from

PIPE_WIDTH = 200


@click.group()
def command() -> None:
    """What could not be accepted: SOP_BROKERS and SOP_TOPIC_PREFIX say where the topic dead-letters is."""


@command.command(name="list")
@click.option("--topic", type=click.Choice(INPUTS), help="Only records of this input topic.")
@click.option("--cause", metavar="PATH", help="Only reasons that begin with this path, as the list shows it.")
def list_letters(topic: str | None, cause: str | None) -> None:
    """Count the dead letters by topic and cause."""
    found = _selected(Selection(topic=topic or "", cause=cause or ""))
    counts = Counter((each.letter.topic, each.cause) for each in found)
    latest = {(each.letter.topic, each.cause): each for each in found}
    table = Table("topic", "cause", "count", "latest record", "its reason", box=None, pad_edge=False)
    for group, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        last = latest[group]
        table.add_row(*map(Text, (*map(printable, group), str(count), last.origin, printable(last.letter.reason))))
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


@command.command(name="show")
@click.argument("origin", metavar="TOPIC-PARTITION@OFFSET")
def show(origin: str) -> None:
    """Show a refused record as it came: reason, key, headers, value."""
    found = _selected(Selection(origins=frozenset([origin])))
    if not found:
        raise UsageError(f"{origin}: there is no dead letter of this record")
    for each in found:
        print(f"record:      {each.origin}")
        print(f"dead letter: {each.place}")
        print(f"reason:      {printable(each.letter.reason)}")
        print(f"sent again:  {each.redrives} times")
        print(f"key:         {'none' if each.letter.key is None else text_of(each.letter.key)}")
        for name, value in each.headers:
            print(f"header:      {printable(name)}: {'none' if value is None else text_of(value)}")
        print(f"value:       {len(each.letter.value)} bytes\n{text_of(each.letter.value)}")


@command.command(name="redrive")
@click.argument("origins", metavar="[TOPIC-PARTITION@OFFSET]…", nargs=-1)
@click.option("--topic", type=click.Choice(INPUTS), help="Records of this input topic.")
@click.option("--cause", metavar="PATH", help="Reasons that begin with this path.")
@click.option("--dry-run/--send", default=True, show_default=True, help="Only tell what would be sent again, or send.")
@click.option(
    "--redrives-max",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How often one record may be sent again in all.",
)
def redrive(origins: tuple[str, ...], topic: str | None, cause: str | None, dry_run: bool, redrives_max: int) -> None:
    """Send refused records to their topics again, as they were; what has been accepted since is a duplicate there.

    One JSON line per record sent goes to standard error: keep it, it is the audit trail.
    """
    selection = Selection(topic=topic or "", cause=cause or "", origins=frozenset(origins))
    if selection.selects_all:
        raise UsageError("say which: records, --topic or --cause")
    settings = settings_from()
    planned = redrive_of(_selected(selection), Topics(settings.topic_prefix), redrives_max)
    for each, why in planned.kept:
        print(f"kept {each.origin}: {why}")
    if dry_run:
        for each in planned.sent:
            print(f"would send {each.origin} again: {printable(each.letter.reason)}")
    else:
        asyncio.run(_send(connect_kafka(settings), planned))
    print(f"{len(planned.sent)} records {'to be sent' if dry_run else 'sent'} again, {len(planned.kept)} kept")


async def _send(connection: KafkaConnection, planned: Redrive) -> None:
    clock = SystemClock()
    async for each, place in send_again(connection, planned.sent):
        line = {
            "at": format_instant(clock.now_us()),
            "redriven": each.origin,
            "dead_letter": each.place,
            "cause": each.cause,
            "sent_to": place,
            "redrives": each.redrives + 1,
        }
        print(json.dumps(line), file=sys.stderr, flush=True)


def _selected(selection: Selection) -> Sequence[Letter]:
    settings = settings_from()
    connection, topics = connect_kafka(settings), Topics(settings.topic_prefix)

    async def read() -> list[Letter]:
        letters = read_letters(connection, topics)
        return [each async for each in letters if selection.takes(each, settings.topic_prefix)]

    return asyncio.run(read())


def text_of(value: bytes) -> str:
    """Return bytes as text for a terminal, whatever they hold: what is no printable UTF-8 is escaped."""
    return printable(value.decode("utf-8", errors="backslashreplace"))


def printable(text: str) -> str:
    """Return text with control characters escaped, so that none can forge lines or colours."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
