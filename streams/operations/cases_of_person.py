"""Which cases have data of a person in records that the archive may not have yet (surfaces.md, "Erasure")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.topics import Topics
from streams.archive.records import ArchivedRecord
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts, read_layout
from streams.runtime.ports import TP, OutputLog
from streams.sealing.personal import visit


async def cases_in_kafka(
    connection: KafkaConnection, topics: Topics, person: str, known: Mapping[TP, tuple[str, int]]
) -> set[str]:
    """Return the ids of the cases that have data of a customer or partner, as Kafka's records say.

    Of each partition, `known` has the id of its topic and the offset from which on its records are read; without it all
    are. Raises `UsageError` if Kafka does not answer or lacks a topic, `Fatal` if one cannot be read.
    """
    names = (*topics.inputs, topics.cases)
    counts = await partition_counts(connection, names)
    ids = (await read_layout(connection, names)).ids
    starts: dict[TP, int] = {}
    for name in names:
        for tp in (TP(name, number) for number in range(counts[name])):
            topic_id, offset = known.get(tp, (ids[name], 0))
            starts[tp] = offset if topic_id == ids[name] else 0
    return await cases_behind(KafkaLog(connection), person, starts)


async def cases_behind(log: OutputLog, person: str, starts: Mapping[TP, int]) -> set[str]:
    """Return the ids of the cases that have data of a person in the records of partitions from some offsets on."""
    found = _CasesOf(person)
    for tp, start in starts.items():
        async for records in log.read(tp, start):
            for each in records:
                visit(tp.topic, ArchivedRecord(each.offset, each.timestamp, each.key, each.value, each.headers), found)
    return found.cases


class _CasesOf:
    """A visitor of records that leaves them as they are and collects the cases of a person."""

    def __init__(self, person: str) -> None:
        self.cases: set[str] = set()
        self._person = person

    def replace(self, _: Sequence[str], part: bytes) -> bytes:
        return part

    def link(self, person: str, case_id: str) -> None:
        if person == self._person:
            self.cases.add(case_id)
