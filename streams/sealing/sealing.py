"""Seals the personal parts of records before they are archived, and opens them for whoever has the keys.

A part is replaced by the JSON string `sealed:KEY:TEXT`. The cipher is AES-SIV (RFC 5297): the same part in the same
record is sealed into the same bytes each time, so a file that is written again after a crash is the same.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag

from schemas.errors import Fatal
from schemas.topics import DEAD_LETTERS
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.sealing.person_keys import FOR_EVER, PersonKey, PersonKeys
from streams.sealing.personal import case, visit

ERASED: Final = b'"sealed:erased:"'
"""What stands for a part of somebody who was erased before it was archived."""
_BEGIN: Final = b'"sealed:'
_SEALED: Final = re.compile(rb'"sealed:([0-9a-z]+):([A-Za-z0-9_=-]*)"')


class Opened(NamedTuple):
    """A record as it was consumed, as far as its parts can be opened; `is_erased` if not all can."""

    record: ArchivedRecord
    is_erased: bool


def seal(keys: PersonKeys, name: SegmentName, records: Sequence[ArchivedRecord]) -> list[ArchivedRecord]:
    """Return records of a file with their personal parts sealed; the keys are on the disk then."""
    with keys.changing():
        sealing = _Sealing(keys)
        return [sealing.sealed(name, each) for each in records]


class _Sealing:
    """Seals within one change of the keys."""

    def __init__(self, keys: PersonKeys) -> None:
        self._keys = keys
        self._known: dict[str, PersonKey] = {}
        self._erased: dict[str, int] = {}
        """Until when people were erased, of those who were looked up."""
        self._linked: set[tuple[str, str]] = set()
        self._place, self._at = b"", 0

    def sealed(self, name: SegmentName, record: ArchivedRecord) -> ArchivedRecord:
        self._place, self._at = _place(name, record), record.timestamp
        return visit(name.topic, record, self)

    def replace(self, person: str, part: bytes) -> bytes:
        if person not in self._erased:
            self._erased[person] = self._keys.erased_until(person)
        if self._at <= self._erased[person]:
            return ERASED
        key = self._known.get(person)
        if key is None:
            key = self._known[person] = self._keys.key_of(person)
        text = urlsafe_b64encode(key.cipher.encrypt(part, [self._place]))
        return b'"sealed:%b:%b"' % (key.id.encode(), text)

    def link(self, person: str, case_id: str) -> None:
        if (person, case_id) not in self._linked:
            self._linked.add((person, case_id))
            if self._keys.link(person, case_id, self._at):
                self._erased[case(case_id)] = FOR_EVER


class Opener:
    """Opens sealed records with the keys that there are; without any, all that is sealed counts as erased."""

    def __init__(self, keys: PersonKeys | None) -> None:
        self._keys = keys
        self._known: dict[bytes, PersonKey | None] = {}
        self._place, self._is_erased = b"", False

    def open(self, name: SegmentName, record: ArchivedRecord) -> Opened:
        """Return a record of a file as it was consumed; raises `Fatal` for a part that was sealed elsewhere."""
        if not _may_be_sealed(name.topic, record):
            return Opened(record, False)
        self._place, self._is_erased = _place(name, record), False
        opened = visit(name.topic, record, self)
        return Opened(opened, self._is_erased)

    def open_whole(self, name: SegmentName, record: ArchivedRecord) -> ArchivedRecord | None:
        """Return a record of a file as it was consumed, None if anything of it was erased; raises as `open` does."""
        opened = self.open(name, record)
        return None if opened.is_erased else opened.record

    def replace(self, _: str, part: bytes) -> bytes:
        """Return what was sealed in a part."""
        found = _SEALED.fullmatch(part)
        if found is None:
            return part
        key = self._key(found[1])
        if key is None:
            self._is_erased = True
            return part
        try:
            return key.cipher.decrypt(urlsafe_b64decode(found[2]), [self._place])
        except (InvalidTag, ValueError):
            raise Fatal(f"{self._place.decode()}: a sealed part is not of this record") from None

    def link(self, person: str, case_id: str) -> None:
        """Do nothing: all links are known."""

    def _key(self, key_id: bytes) -> PersonKey | None:
        if key_id not in self._known:
            self._known[key_id] = None if self._keys is None else self._keys.key(key_id.decode())
        return self._known[key_id]


def _may_be_sealed(topic: str, record: ArchivedRecord) -> bool:
    """Return whether anything of a record may be sealed: looking for it is much faster than reading the record."""
    if topic.endswith(DEAD_LETTERS):  # the refused record is in base64
        return True
    parts = (record.value, *(value for _, value in record.headers))
    return any(part is not None and _BEGIN in part for part in parts)


def _place(name: SegmentName, record: ArchivedRecord) -> bytes:
    """Return where a record is, which its sealed parts are bound to."""
    return f"{name.tp.name}@{record.offset} of {name.topic_id}".encode()
