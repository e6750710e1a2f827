"""Recorded events from an archive: all of them, or what one case needs."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage, SopError, Unavailable, UsageError
from schemas.topics import Topics
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.replay.input_record import InputRecord


class ArchiveInput:
    """The input topics in an archive at a folder or URL.

    Raises `UsageError` if none of them is there, or something is damaged or away.
    """

    def __init__(self, address: str, topics: Topics) -> None:
        self._address, self._topics = address, topics
        folder = ArchiveFolder(address)
        self._reader = ArchiveReader(folder)
        try:
            archived = {each.topic for each in folder.names()}
        except Unavailable as error:
            raise UsageError(str(error)) from error
        if archived.isdisjoint(topics.inputs):
            raise UsageError(f"{address}: not an archive of {', '.join(topics.inputs)}")

    def records(self) -> Iterator[InputRecord]:
        """Yield all records, by topic, partition and offset."""
        return self._inputs(self._reader.records(self._topics.inputs))

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

    def _inputs(self, records: Iterator[tuple[SegmentName, ArchivedRecord]]) -> Iterator[InputRecord]:
        try:
            for name, each in records:
                yield InputRecord(
                    *(name.topic, name.partition, each.offset, each.value, each.key, each.headers),
                    original_sizes=each.original_sizes,
                )
        except UsageError:
            raise
        except SopError as error:
            raise UsageError(f"{self._address}: {error}") from error
