"""What each of several processes decodes of an input and replays of it, so that together they do what one would.

The reports of a partner are one process's, and with them the cases that name the partner first; a process whose cases
name further partners decodes their reports too. So all else, a few records in a hundred, is decoded before the shares
are dealt, and with it the reports whose identity is not looked for among those of their partner alone. Of the others
only the heading has been read: each process reads the input again, for its own.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from schemas.codec.decoder import Heading, read_heading
from schemas.errors import UsageError
from schemas.events import LOCATION_REPORT, AnyEvent
from streams.replay.records import Deduplicated, InputRecord, RefusedRecord, deduplicate
from streams.replay.sequential import ReplaySettings

FACT_REPORTS: Final = 20
"""A fact is as much work as so many reports: a case is decided for each."""
SETTLED: Final = -1

Group = tuple[bool, str]
"""What goes to one process together: (is of a partner, partner or case)."""


class IndexedInput(Struct, frozen=True):
    """An input read once: what is settled of it, and whose reports the others are."""

    records: Iterable[InputRecord]
    """The same each time they are gone through."""
    settled: Deduplicated
    partners: dict[str, int]
    """A number for each partner."""
    partner_numbers: array[int]
    """For each record the partner's number, or `SETTLED`."""


class ReplayPartition(Struct, frozen=True):
    """What one process replays: settled events, the reports of its own partners, and of others that its cases name."""

    events: list[AnyEvent]
    own: set[str]
    others: set[str]


class DeduplicatedPartition(Struct, frozen=True):
    """A share with its reports settled; counts and refusals are of its own partners' reports."""

    events: list[AnyEvent]
    accepted: int
    duplicates: int
    refused: list[RefusedRecord]


def index_input(
    first_time: Iterable[InputRecord], records: Iterable[InputRecord], settings: ReplaySettings
) -> IndexedInput:
    """Read an input and settle what all processes have to know; `first_time` are the records when first gone through.

    An identity that a report shares with another partner's, or with another type of event, is settled here.
    """
    partners: dict[str, int] = {}
    partner_numbers = array("q")
    rest: dict[int, InputRecord] = {}
    seen: dict[int, int] = {}
    shared: set[int] = set()
    owners: set[int] = set()
    for number, record in enumerate(first_time):
        heading = read_heading(record.value, record.headers)
        owner = SETTLED
        if heading is not None and heading.type == LOCATION_REPORT:
            owner = partners.setdefault(heading.subject, len(partners))
        else:
            rest[number] = record
        partner_numbers.append(owner)
        if heading is not None and (first := seen.setdefault(_identity(heading), owner)) != owner:
            shared.add(_identity(heading))
            owners |= {first, owner}
    if shared:
        for number, record in _numbered(records, partner_numbers):
            if partner_numbers[number] == SETTLED or partner_numbers[number] not in owners:
                continue
            heading = read_heading(record.value, record.headers)
            if heading is not None and _identity(heading) in shared:
                rest[number] = record
                partner_numbers[number] = SETTLED
    settled = deduplicate(sorted(rest.items()), settings.limits, settings.now, settings.facts_per_case_max)
    return IndexedInput(records, settled, partners, partner_numbers)


def assign(indexed: IndexedInput, processes: int) -> list[ReplayPartition]:
    """Return a share for each process, with about as much work in each; the same in every run."""
    first_named, named = _named(indexed.settled.events)

    def group(event: AnyEvent) -> Group:
        partner = event.subject if event.type == LOCATION_REPORT else first_named.get(event.subject)
        return (True, partner) if partner is not None else (False, event.subject)

    reports = Counter(indexed.partner_numbers)
    work = Counter({(True, partner): reports[number] for partner, number in indexed.partners.items()})
    for event in indexed.settled.events:
        work[group(event)] += 1 if event.type == LOCATION_REPORT else FACT_REPORTS
    goes_to = _dealt(work, processes)
    shares = [ReplayPartition([], set(), set()) for _ in range(processes)]
    for (is_partner, name), number in goes_to.items():
        if is_partner:
            shares[number].own.add(name)
    for case_id, partners in named.items():
        share = shares[goes_to[True, first_named[case_id]]]
        share.others.update(partners - share.own)
    for event in indexed.settled.events:
        own = shares[goes_to[group(event)]]
        own.events.append(event)
        if event.type == LOCATION_REPORT:
            for share in shares:
                if event.subject in share.others:
                    share.events.append(event)
    return shares


def deduplicate_partition(
    indexed: IndexedInput, share: ReplayPartition, settings: ReplaySettings
) -> DeduplicatedPartition:
    """Read the reports of a share and settle them. Raises `UsageError` when the input cannot be read again."""
    own = {number for partner, number in indexed.partners.items() if partner in share.own}
    wanted = own | {number for partner, number in indexed.partners.items() if partner in share.others}
    partner_numbers = indexed.partner_numbers
    reports = (
        (number, record)
        for number, record in _numbered(indexed.records, partner_numbers)
        if partner_numbers[number] in wanted
    )
    settled = deduplicate(reports, settings.limits, settings.now, settings.facts_per_case_max)
    accepted = sum(event.subject in share.own for event in settled.events)
    refused = [each for each in settled.refused if partner_numbers[each.number] in own]
    count = sum(number in own for number in partner_numbers)
    return DeduplicatedPartition(share.events + settled.events, accepted, count - accepted - len(refused), refused)


def _numbered(records: Iterable[InputRecord], partner_numbers: array[int]) -> Iterator[tuple[int, InputRecord]]:
    """Yield records with their places, as many as there were when first read: a file may have grown meanwhile.

    Raises `UsageError` when there are fewer.
    """
    number = -1
    for number, record in enumerate(islice(records, len(partner_numbers))):
        yield number, record
    if number + 1 < len(partner_numbers):
        raise UsageError("the input has become shorter while it was read")


def _named(events: Iterable[AnyEvent]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return for each case the partner that its facts name first in input order, and all that they name."""
    first: dict[str, str] = {}
    named: dict[str, set[str]] = {}
    for event in events:
        partner = getattr(event.data, "partner_id", None)
        if partner is not None:
            first.setdefault(event.subject, partner)
            named.setdefault(event.subject, set()).add(partner)
    return first, named


def _dealt(work: Counter[Group], processes: int) -> dict[Group, int]:
    """Return the number of the process that each group goes to: the largest first, to who has least."""
    load = [0] * processes
    goes_to: dict[Group, int] = {}
    for group, amount in sorted(work.items(), key=lambda item: (-item[1], item[0])):
        goes_to[group] = least = load.index(min(load))
        load[least] += amount
    return goes_to


def _identity(heading: Heading) -> int:
    """Return a hash of an identity: two that are taken for one are settled together, as any may be."""
    return hash((heading.source, heading.id))
