"""`sop tail`: messages as they come."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import click

from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.errors import Fatal, UsageError
from schemas.topics import Topics
from streams.config.settings import settings_from
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.operations.tail import json_line, subject, tailed_topics, text_line
from streams.process.first_of import first_of
from streams.process.signals import StopSignals
from streams.runtime.ports import TP, Stored
from streams.terminal.printable import printable

LOOK_EVERY_S: Final = 2.0
"""How often to look whether the brokers still answer: a consumer waits for them without a word."""


@click.command()
@click.argument("names", metavar="[TOPIC]…", nargs=-1)
@click.option("--case", "case_id", metavar="ID", help="Only messages with this subject: a case, or a partner.")
@click.option("--json", "as_json", is_flag=True, help="Print the messages themselves, one per line.")
@click.pass_obj
def command(stop_signals: StopSignals, /, names: tuple[str, ...], case_id: str | None, as_json: bool) -> None:
    """Show messages as they come, until stopped (Ctrl-C): time, topic, subject, and what happened.

    Without a TOPIC it shows all output topics. Names may be given with or without SOP_TOPIC_PREFIX. Messages of open
    transactions appear when these are committed. As text, no names, phone numbers or coordinates are shown.
    """
    settings = settings_from()
    connection, topics = connect_kafka(settings), catalogue.topics(settings.topic_prefix)
    chosen = tailed_topics(names, topics, settings.topic_prefix)
    tail = _Tail(connection=connection, topics=topics, limits=settings.limits, case_id=case_id, as_json=as_json)
    asyncio.run(tail.run(chosen, stop_signals))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    connection: KafkaConnection
    topics: Topics
    limits: Limits
    case_id: str | None
    as_json: bool

    async def run(self, names: Sequence[str], stop_signals: StopSignals) -> None:
        """Print messages until a signal comes; raises `UsageError` if the brokers do not answer or lack a topic."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        counts = await partition_counts(self.connection, names)
        stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
        await first_of(stop.wait(), self._print(counts), self._watch(counts))

    async def _print(self, counts: Mapping[str, int]) -> None:
        tps = [TP(name, number) for name, count in counts.items() for number in range(count)]
        async with aclosing(KafkaLog(self.connection).follow(tps)) as followed:
            async for tp, records in followed:
                for record in records:
                    if self.case_id is None or subject(record) == self.case_id:
                        self._print_record(tp, record)
                sys.stdout.flush()

    def _print_record(self, tp: TP, record: Stored) -> None:
        line = json_line(record) if self.as_json else text_line(tp.topic, record, self.topics, self.limits)
        if line is None:
            _report(f"{tp.name}@{record.offset}: not a JSON object")
        else:
            print(line)

    async def _watch(self, counts: Mapping[str, int]) -> None:
        """Say once when the brokers no longer answer, and once when they do again.

        Raises `Fatal` if the topics have other partitions than at the start.
        """
        is_away = False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                present = await partition_counts(self.connection, list(counts))
            except UsageError as error:
                if not is_away:
                    _report(f"{error}; waiting")
                is_away = True
                continue
            if present != counts:
                raise Fatal("the topics have other partitions now: start again to see those too")
            if is_away:
                _report(f"Kafka at {self.connection.brokers} answers again")
            is_away = False


def _report(message: str) -> None:
    print(printable(f"sop: {message}"), file=sys.stderr)
