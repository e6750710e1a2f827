"""`sop status`: shows how far the workers are and whether every record is accounted for."""

import asyncio
import json
import sys
from collections.abc import Iterator

import click

from agents.sops import catalogue
from schemas.durations import duration_text
from schemas.timestamps import SECOND_US
from schemas.topics import Topics
from streams.config.settings import settings_from
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.consumer_group import ConsumerGroup, GroupMember, describe_group
from streams.operations.accounting import Account, Overview, read_overview
from streams.process.clock import SystemClock
from streams.terminal.printable import printable
from streams.terminal.tables import Column, show_table

_COLUMNS = (
    Column("partition"),
    Column("consumed", justify="right"),
    Column("applied", rank=2, justify="right"),
    Column("duplicate", rank=3, justify="right"),
    Column("dead-lettered", rank=1, justify="right"),
    Column("forwarded", rank=4, justify="right"),
    Column("waiting", rank=4, justify="right"),
    Column("position", rank=5, justify="right"),
    Column("committed", rank=6, justify="right"),
    Column("end", rank=5, justify="right"),
    Column("lag", justify="right"),
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(as_json: bool) -> int:
    """Show for each input partition how many records were consumed, what became of them, and how many are left.

    Exits with 1 if the counts do not add up, records were deleted before they were read, another producer's open
    transaction blocks an input, topics were changed, or a case is quarantined because it could not be decided.

    SOP_BROKERS, SOP_TOPIC_PREFIX and SOP_GROUP name the workers. Workers publish their counts at least every
    SOP_CHECKPOINT_INTERVAL_S while records arrive.
    """
    settings = settings_from()
    connection = connect_kafka(settings)
    found, group = asyncio.run(
        _read(connection, catalogue.topics(settings.topic_prefix, settings.written_prefix), settings.workers_group)
    )
    problems = [printable(problem) for problem in found.problems()]
    now = SystemClock().now_us()
    if as_json:
        print(json.dumps(_document(found, group, settings.brokers, now, problems)))
    else:
        for line in _heading(found, group, settings.brokers, now):
            print(line)
        names = [column.title.replace("-", "_") for column in _COLUMNS]
        rows = [_row(account) for account in found.accounts]
        show_table(_COLUMNS, [[str(row.get(name, 0)) for name in names] for row in rows])
    for message in (*found.accepted_losses(), *problems):
        print(f"sop: {message}", file=sys.stderr)
    return 1 if problems else 0


async def _read(connection: KafkaConnection, topics: Topics, group: str) -> tuple[Overview, ConsumerGroup]:
    return await read_overview(connection, topics, group), await describe_group(connection, group)


def _heading(found: Overview, group: ConsumerGroup, brokers: str, now: int) -> Iterator[str]:
    """Yield the lines above the table: broker, group, its members with their partitions, the age of the counts."""
    members = "1 member" if len(group.members) == 1 else f"{len(group.members)} members"
    yield f"Kafka {brokers}, group {group.name}: {group.state}, {members}"
    for member in group.members:
        yield printable(f"  {member.client} at {member.host}: {_partitions(member)}")
    numbers = sorted({account.tp.partition for account in found.accounts})
    ages = (f"{number}: {_age(found.published_at.get(number), now)}" for number in numbers)
    yield f"counts published, by partition: {', '.join(ages)}"
    yield ""


def _partitions(member: GroupMember) -> str:
    if member.partitions is None:
        return "partitions unknown"
    return f"partitions {', '.join(map(str, member.partitions))}" if member.partitions else "no partition"


def _age(published_at: int | None, now: int) -> str:
    if published_at is None:
        return "never"
    return f"{duration_text(max(now - published_at, 0) // SECOND_US * SECOND_US)} ago"


def _row(account: Account) -> dict[str, object]:
    return {
        "partition": account.tp.name,
        "consumed": account.consumed,
        **account.dispositions,
        "position": account.position,
        "committed": account.committed,
        "end": account.end,
        "lag": account.lag,
    }


def _document(found: Overview, group: ConsumerGroup, brokers: str, now: int, problems: list[str]) -> dict[str, object]:
    return {
        "brokers": brokers,
        "group": group.name,
        "state": group.state,
        "owners": [
            {"client": member.client, "host": member.host, "partitions": member.partitions and list(member.partitions)}
            for member in group.members
        ],
        "counts_age_s": {str(number): (now - at) / SECOND_US for number, at in sorted(found.published_at.items())},
        "partitions": [_row(account) for account in found.accounts],
        "faults": problems,
    }
