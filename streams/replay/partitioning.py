"""Splits an input into partitions that several processes replay, with the same result as one process.

All reports of a partner go to one process, and so do the cases whose facts name that partner first. If such a case
names other partners too, the process also decodes their reports.

So every record that is not a plain location report, a few in a hundred, is decoded before partitions are assigned. So
are reports that may share an identity with a record of another subject. Of all other reports only the attributes are
read; each process then reads the input again and decodes its own.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from schemas.codec.decoder import EventAttributes, read_attributes
from schemas.errors import UsageError
from schemas.events import LOCATION_REPORT, AnyEvent
from streams.replay.deduplicate import Deduplicated, RefusedRecord, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import ReplaySettings

REPORTS_PER_FACT: Final = 20
"""How many reports cost as much work as one fact, after which its case is decided."""
DECODED: Final = -1

Group = tuple[bool, str]
"""Events that go to the same process: (True, partner id) or (False, case id)."""


class IndexedInput(Struct, frozen=True):
    """An input after the first reading."""

    records: Iterable[InputRecord]
    """All records; yields the same ones each time."""
    decoded: Deduplicated
    """Facts, and reports whose identity must be compared across partners."""
    partners: dict[str, int]
    """A number for each partner that has reports."""
    partner_numbers: array[int]
    """For each record the number of the partner whose report it is, or `DECODED`."""


class ReplayPartition(Struct, frozen=True):
    """What one process replays: decoded events, the reports of its own partners, and of others its cases name."""

    events: list[AnyEvent]
    own_partners: set[str]
    other_partners: set[str]


class DeduplicatedPartition(Struct, frozen=True):
    """A partition with its reports deduplicated; counts and refused records cover its own partners only."""

    events: list[AnyEvent]
    accepted: int
    duplicates: int
    refused: list[RefusedRecord]


def index_input(
    first_reading: Iterable[InputRecord], records: Iterable[InputRecord], settings: ReplaySettings
) -> IndexedInput:
    """Read an input once and decode what every process has to know.

    `first_reading` yields the same as `records`; the caller may count it.
    """
    partners: dict[str, int] = {}
    partner_numbers = array("q")
    to_decode: dict[int, InputRecord] = {}
    seen: dict[int, int] = {}
    shared_identities: set[int] = set()
    sharing: set[int] = set()
    for number, record in enumerate(first_reading):
        attributes = read_attributes(record.value, record.headers)
        partner = DECODED
        if attributes is not None and attributes.type == LOCATION_REPORT:
            partner = partners.setdefault(attributes.subject, len(partners))
        else:
            to_decode[number] = record
        partner_numbers.append(partner)
        if attributes is not None and (first := seen.setdefault(_identity(attributes), partner)) != partner:
            shared_identities.add(_identity(attributes))
            sharing |= {first, partner}
    if shared_identities:
        for number, record in _numbered(records, partner_numbers):
            if partner_numbers[number] == DECODED or partner_numbers[number] not in sharing:
                continue
            attributes = read_attributes(record.value, record.headers)
            if attributes is not None and _identity(attributes) in shared_identities:
                to_decode[number] = record
                partner_numbers[number] = DECODED
    decoded = deduplicate(sorted(to_decode.items()), settings.limits, settings.now, settings.facts_per_case_max)
    return IndexedInput(records, decoded, partners, partner_numbers)


def assign(indexed: IndexedInput, processes: int) -> list[ReplayPartition]:
    """Return a partition for each process, with about the same work in each; every run assigns the same."""
    first_named, named = _named_partners(indexed.decoded.events)

    def group(event: AnyEvent) -> Group:
        partner = event.subject if event.type == LOCATION_REPORT else first_named.get(event.subject)
        return (True, partner) if partner is not None else (False, event.subject)

    reports = Counter(indexed.partner_numbers)
    work = Counter({(True, partner): reports[number] for partner, number in indexed.partners.items()})
    for event in indexed.decoded.events:
        work[group(event)] += 1 if event.type == LOCATION_REPORT else REPORTS_PER_FACT
    process_of = _balance(work, processes)
    partitions = [ReplayPartition([], set(), set()) for _ in range(processes)]
    for (is_partner, name), number in process_of.items():
        if is_partner:
            partitions[number].own_partners.add(name)
    for case_id, partners in named.items():
        partition = partitions[process_of[True, first_named[case_id]]]
        partition.other_partners.update(partners - partition.own_partners)
    for event in indexed.decoded.events:
        partitions[process_of[group(event)]].events.append(event)
        if event.type == LOCATION_REPORT:
            for partition in partitions:
                if event.subject in partition.other_partners:
                    partition.events.append(event)
    return partitions


def deduplicate_partition(
    indexed: IndexedInput, partition: ReplayPartition, settings: ReplaySettings
) -> DeduplicatedPartition:
    """Read the reports of a partition and deduplicate them. Raises `UsageError` if the input cannot be read again."""
    numbers = indexed.partner_numbers
    own = {number for partner, number in indexed.partners.items() if partner in partition.own_partners}
    wanted = own | {number for partner, number in indexed.partners.items() if partner in partition.other_partners}
    reports = ((at, record) for at, record in _numbered(indexed.records, numbers) if numbers[at] in wanted)
    unique = deduplicate(reports, settings.limits, settings.now, settings.facts_per_case_max)
    accepted = sum(event.subject in partition.own_partners for event in unique.events)
    refused = [each for each in unique.refused if numbers[each.number] in own]
    duplicates = sum(number in own for number in numbers) - accepted - len(refused)
    return DeduplicatedPartition(partition.events + unique.events, accepted, duplicates, refused)


def _numbered(records: Iterable[InputRecord], numbers: array[int]) -> Iterator[tuple[int, InputRecord]]:
    """Yield records with their positions, only as many as at the first reading, since a file may have grown.

    Raises `UsageError` if there are fewer.
    """
    at = -1
    for at, record in enumerate(islice(records, len(numbers))):
        yield at, record
    if at + 1 < len(numbers):
        raise UsageError("the input became shorter while it was being read")


def _named_partners(events: Iterable[AnyEvent]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return for each case the partner that its facts name first, in input order, and all that they name."""
    first: dict[str, str] = {}
    named: dict[str, set[str]] = {}
    for event in events:
        partner = getattr(event.data, "partner_id", None)
        if partner is not None:
            first.setdefault(event.subject, partner)
            named.setdefault(event.subject, set()).add(partner)
    return first, named


def _balance(work: Counter[Group], processes: int) -> dict[Group, int]:
    """Return the process of each group: from the largest group on, the one with the least work so far."""
    load = [0] * processes
    process_of: dict[Group, int] = {}
    for group, amount in sorted(work.items(), key=lambda item: (-item[1], item[0])):
        process_of[group] = least = load.index(min(load))
        load[least] += amount
    return process_of


def _identity(attributes: EventAttributes) -> int:
    """Return a hash of an event's identity; a collision only means that more records are decoded up front."""
    return hash((attributes.source, attributes.id))
