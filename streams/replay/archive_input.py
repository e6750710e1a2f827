"""Recorded events from an archive: all of them, or what one case needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agents.sops import catalogue
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage, SopError, Unavailable, UsageError
from schemas.policy.model import PolicySet
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.policies import take_policies
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.config.settings import Settings
from streams.policies.book import PolicyBook
from streams.replay.input_record import InputRecord
from streams.runtime.ports import TP
from streams.sealing.person_keys import person_keys
from streams.sealing.sealing import Opener

SEALED: Final = "its records are sealed: set SOP_AUDIT_MASTER_KEY_FILE and SOP_AUDIT_PERSON_KEYS"


class ArchiveInput:
    """The input topics in an archive at a folder or URL, opened with the keys that the settings name.

    Raises `UsageError` if none of them is there, if something is damaged or away, and for what is sealed if the
    settings name no keys.
    """

    def __init__(self, address: str, settings: Settings) -> None:
        self._address, self._settings = address, settings
        self._topics = catalogue.topics(settings.topic_prefix)
        folder = ArchiveFolder(address)
        self._reader = ArchiveReader(folder)
        try:
            archived = {each.topic for each in folder.names()}
        except Unavailable as error:
            raise UsageError(str(error)) from error
        if archived.isdisjoint(self._topics.inputs):
            raise UsageError(f"{address}: not an archive of {', '.join(self._topics.inputs)}")

    def records(self) -> Iterator[InputRecord]:
        """Yield all records, by topic, partition and offset."""
        return self._inputs(self._reader.records(self._topics.inputs))

    def policies(self, book: PolicyBook) -> PolicySet:
        """Return the policies of a book with those published in the archive."""
        for _ in take_policies(self._reader, self._topics.policies, book):
            pass
        return book.policies

    def records_of_case(self, case_id: str, limits: Limits) -> Iterator[InputRecord]:
        """Yield the records of a case, then the location reports of all partners that it names."""
        of_cases = [each for each in self._topics.inputs if each != self._topics.locations]
        partners: set[str] = set()
        for record in self._inputs(self._reader.records_with(of_cases, "case_id", {case_id})):
            yield record
            try:
                event = decode_record(record.value, record.headers, limits, original_sizes=record.original_sizes)
            except InvalidMessage:
                continue
            if partner := getattr(event.data, "partner_id", None):
                partners.add(partner)
        yield from self._inputs(self._reader.records_with([self._topics.locations], "subject", partners))

    def history_of_case(self, case_id: str) -> list[tuple[TP, ArchivedRecord]]:
        """Return the facts of a case, the messages to it and the outputs about it, those of a partition in order.

        Raises `UsageError` if any of it was erased.
        """
        topics = (*self._topics.inputs, self._topics.cases, *self._topics.outputs)
        history: list[tuple[TP, ArchivedRecord]] = []
        for name, record, is_erased in self._opened(self._reader.records_with(topics, "case_id", {case_id})):
            if is_erased:
                raise UsageError(f"{name.tp.name}@{record.offset} has been erased")
            history.append((name.tp, record))
        return history

    def _inputs(self, records: Iterator[tuple[SegmentName, ArchivedRecord]]) -> Iterator[InputRecord]:
        for name, each, is_erased in self._opened(records):
            yield InputRecord(
                *(name.topic, name.partition, each.offset, each.value, each.key, each.headers),
                original_sizes=each.original_sizes,
                is_erased=is_erased,
            )

    def _opened(
        self, records: Iterator[tuple[SegmentName, ArchivedRecord]]
    ) -> Iterator[tuple[SegmentName, ArchivedRecord, bool]]:
        """Yield records as they were consumed, each with whether any of it was erased."""
        try:
            with person_keys(self._settings) as keys:
                opener = Opener(keys)
                for name, sealed in records:
                    each, is_erased = opener.open(name, sealed)
                    if is_erased and keys is None:
                        raise UsageError(f"{self._address}: {SEALED}")
                    yield name, each, is_erased
        except UsageError:
            raise
        except SopError as error:
            raise UsageError(f"{self._address}: {error}") from error
