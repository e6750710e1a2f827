"""`sop status`: how far the workers are, and whether every record is accounted for."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.console import Console
from rich.table import Table

from schemas.topics import Topics
from streams.casework.tally import FATES
from streams.connections import connect_kafka
from streams.conservation import Account, overview
from streams.settings import settings_from


@click.command()
def command() -> int:
    """Tell, per input partition, what became of the records consumed and what waits.

    Exits with 1 where sums differ, where records were deleted before they were read, and where a case is set aside
    since it could not be decided.

    SOP_BROKERS, SOP_TOPIC_PREFIX and SOP_GROUP say of which workers; counts are those last published, every
    SOP_CHECKPOINT_INTERVAL_S at the latest while records come.
    """
    settings = settings_from()
    found = asyncio.run(overview(connect_kafka(settings), Topics(settings.topic_prefix), settings.group))
    _show(found.accounts)
    for accepted in found.accepted():
        print(f"sop: {accepted}", file=sys.stderr)
    faults = list(found.faults())
    for fault in faults:
        print(f"sop: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _show(found: list[Account]) -> None:
    numbers = ("consumed", *(fate.replace("_", "-") for fate in FATES), "position", "committed", "end", "lag")
    table = Table(box=None, pad_edge=False)
    table.add_column("partition", no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    for account in found:
        fates = [account.fates.get(fate, 0) for fate in FATES]
        offsets = [account.position, account.committed, account.end, account.lag]
        table.add_row(account.tp.name, *map(str, [account.consumed, *fates, *offsets]))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)
