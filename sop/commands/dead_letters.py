"""`sop dead-letters`: lists and shows refused records, and sends them again."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Sequence

import click

from agents.case.case import Case
from agents.sops import catalogue
from schemas.codec.headers import name_bytes
from schemas.errors import UsageError
from schemas.timestamps import format_instant
from schemas.topics import INPUTS, Topics
from sop.groups import SuggestingGroup
from streams.config.settings import Settings, settings_from
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.operations.dead_letters import (
    DeadLetterRecord,
    Selection,
    departed_cases,
    plan_redrive,
    read_dead_letters,
    send_again,
)
from streams.operations.reopening import former_case, reopen, unread
from streams.process.clock import SystemClock
from streams.processor.decoder import RecordDecoder
from streams.replay.inputs import archive_of
from streams.runtime.ports import Place
from streams.terminal.printable import printable, printable_bytes
from streams.terminal.tables import Column, show_table


@click.group(cls=SuggestingGroup)
def command() -> None:
    """Inspect and redrive refused records, in the topic dead-letters at SOP_BROKERS with SOP_TOPIC_PREFIX."""


@command.command(name="list")
@click.option("--topic", type=click.Choice(INPUTS), help="Only records of this input topic.")
@click.option("--cause", metavar="PATH", help="Only records whose reason begins with this path, as shown by list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead of a table.")
def list_dead_letters(topic: str | None, cause: str | None, as_json: bool) -> None:
    """Count the dead letters by topic and cause, with the latest record of each."""
    groups: defaultdict[tuple[str, str], list[DeadLetterRecord]] = defaultdict(list)
    for each in _selected(Selection(topic=topic or "", cause=cause or "")):
        groups[each.dead_letter.topic, each.dead_letter.cause].append(each)
    rows = [
        {
            "topic": name,
            "cause": path,
            "count": len(same),
            "latest": same[-1].origin,
            "reason": same[-1].dead_letter.reason,
        }
        for (name, path), same in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    columns = (
        Column("topic"),
        Column("cause", wraps=True),
        Column("count", justify="right"),
        Column("latest record", rank=1),
        Column("reason", wraps=True),
    )
    show_table(columns, [[printable(str(value)) for value in row.values()] for row in rows])


@command.command(name="show")
@click.argument("origin", metavar="TOPIC-PARTITION@OFFSET")
def show(origin: str) -> None:
    """Show a refused record as it arrived: reason, key, headers, value."""
    found = _selected(Selection(origins=frozenset([origin])))
    if not found:
        raise UsageError(f"{origin}: no dead letter for this record")
    for each in found:
        letter = each.dead_letter
        print(f"record:      {printable(each.origin)}")
        print(f"dead letter: {printable(each.place)}")
        print(f"reason:      {printable(letter.reason)}")
        print(f"sent again:  {each.redrives} times")
        print(f"key:         {_text(letter.key)}")
        if letter.is_truncated:
            print("headers:     not kept, and key and value are truncated: the record was too large")
        for name, value in each.headers:
            print(f"header:      {printable_bytes(name_bytes(name))}: {_text(value)}")
        size = f"{len(letter.value or b'')} bytes"
        if letter.is_truncated:
            size = f"{letter.value_bytes} bytes, of which the first {len(letter.value or b'')} are here"
        print("value:       none" if letter.value is None else f"value:       {size}\n{_text(letter.value)}")


def _text(value: bytes | None) -> str:
    return "none" if value is None else printable_bytes(value)


@command.command(name="redrive")
@click.argument("origins", metavar="[TOPIC-PARTITION@OFFSET]…", nargs=-1)
@click.option("--topic", type=click.Choice(INPUTS), help="Send records of this input topic.")
@click.option(
    "--archive",
    metavar="DIR-OR-URL",
    help="Reopen the cases that have left the state from this archive, and send their facts.",
)
@click.option("--cause", metavar="PATH", help="Send records whose reason begins with this path.")
@click.option(
    "--dry-run/--send", default=True, show_default=True, help="Only show what would be sent again, or send it."
)
@click.option(
    "--redrives-max",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How often one record may be sent again in total.",
)
def redrive(
    origins: tuple[str, ...],
    topic: str | None,
    cause: str | None,
    archive: str | None,
    dry_run: bool,
    redrives_max: int,
) -> int:
    """Send refused records to their topics again, unchanged; a record accepted in the meantime counts as a duplicate.

    Each record sent is one line of JSON on standard error: keep these lines as the audit trail. Exits with 1 if no
    worker reads of a reopened case in time; its facts are not sent then.
    """
    selection = Selection(topic=topic or "", cause=cause or "", origins=frozenset(origins))
    if selection.selects_all:
        raise click.UsageError("name the records to send: TOPIC-PARTITION@OFFSET, --topic or --cause")
    settings = settings_from()
    topics = catalogue.topics(settings.topic_prefix)
    dead_letters = _selected(selection)
    former: dict[str, Case] = {}
    missing: dict[str, str] | None = None
    if archive is not None:
        former, missing = _former_cases(departed_cases(dead_letters), archive, settings)
    planned = plan_redrive(dead_letters, topics, redrives_max, missing)
    for each, why in planned.kept:
        print(printable(f"kept {each.origin}: {why}"))
    reopened = [former[case_id] for case_id in departed_cases(planned.sent)]
    if dry_run:
        for case in reopened:
            contents = ", ".join(f"{count} {what}" for what, count in _contents(case).items())
            print(printable(f"would reopen case {case.case_id}: {contents}"))
        for each in planned.sent:
            print(printable(f"would send {each.origin} again: {each.dead_letter.reason}"))
        sent = len(planned.sent)
    else:
        sent = asyncio.run(_send(connect_kafka(settings), topics, reopened, planned.sent))
    print(f"{sent} records {'to be sent' if dry_run else 'sent'} again, {len(planned.kept)} kept")
    return 0 if sent == len(planned.sent) else 1


def _former_cases(case_ids: Sequence[str], address: str, settings: Settings) -> tuple[dict[str, Case], dict[str, str]]:
    """Return cases as an archive has them, and why it does not have the others, by id."""
    archive, topics = archive_of(address, settings), catalogue.topics(settings.topic_prefix)
    decoder = RecordDecoder(topics, settings.limits)
    found: dict[str, Case] = {}
    missing: dict[str, str] = {}
    for case_id in case_ids:
        try:
            found[case_id] = former_case(case_id, archive.history_of_case(case_id), topics, decoder)
        except UsageError as error:
            missing[case_id] = f"in the archive, {error}"
    return found, missing


def _contents(case: Case) -> dict[str, int]:
    return {"facts": len(case.facts), "decisions": len(case.emitted.decisions)}


async def _send(
    connection: KafkaConnection, topics: Topics, reopened: Sequence[Case], dead_letters: Sequence[DeadLetterRecord]
) -> int:
    """Reopen cases, then send the records; return how many. Those of a case that no worker has read are left out."""
    clock = SystemClock()
    places: dict[str, Place] = {}
    for case in reopened:
        places[case.case_id] = await reopen(connection, topics, case, clock.now_us())
        _log(clock, reopened=case.case_id, **_contents(case), sent_to=places[case.case_id].name)
    for case_id in sorted(unread_cases := await unread(connection, topics, places)):
        place = places[case_id].name
        problem = f"case {case_id}: no worker has read {place} yet, so its facts were not sent: repeat the command"
        print(printable(f"sop: {problem}"), file=sys.stderr)
    sent = [each for each in dead_letters if each.departed_case not in unread_cases]
    async for each, place in send_again(connection, sent):
        _log(
            clock,
            redriven=each.origin,
            dead_letter=each.place,
            cause=each.dead_letter.cause,
            sent_to=place,
            redrives=each.redrives + 1,
        )
    return len(sent)


def _log(clock: SystemClock, **line: str | int) -> None:
    """Print a line of the audit trail."""
    print(json.dumps({"at": format_instant(clock.now_us()), **line}), file=sys.stderr, flush=True)


def _selected(selection: Selection) -> Sequence[DeadLetterRecord]:
    settings = settings_from()
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix)
    foreign: list[str] = []

    async def read() -> list[DeadLetterRecord]:
        dead_letters = read_dead_letters(connection, topics, foreign)
        return [each async for each in dead_letters if selection.includes(each, settings.topic_prefix)]

    found = asyncio.run(read())
    if foreign:
        problem = f"{len(foreign)} records in the topic are not dead letters, the first is {foreign[0]}"
        print(f"sop: {problem}", file=sys.stderr)
    return found
