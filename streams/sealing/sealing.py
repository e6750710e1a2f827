"""Seals the personal parts of records before they are archived, and opens them for whoever has the keys.

A part is replaced by the JSON string `sealed:KEY:TEXT`; one about several people is sealed under the key of each, and
has these with a point between them. The cipher is AES-SIV (RFC 5297): the same part in the same record is sealed into
the same bytes each time, so a file that is written again after a crash is the same.
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
from streams.sealing.instant import instant_of
from streams.sealing.people import case, is_customer
from streams.sealing.person_keys import FOR_EVER, PersonKey, PersonKeys
from streams.sealing.personal import SEALED, visit

ERASED: Final = b'"sealed:erased:"'
"""What stands for a part of somebody who was erased before it was archived."""
_SEALED: Final = re.compile(rb'"sealed:(?:erased:|([0-9a-f]{16}(?:\.[0-9a-f]{16})*):([A-Za-z0-9_-]{22,}={0,2}))"')


class Opened(NamedTuple):
    """A record as it was consumed, as far as its parts can be opened; `is_erased` if not all can."""

    record: ArchivedRecord
    is_erased: bool


def seal(keys: PersonKeys, name: SegmentName, records: Sequence[ArchivedRecord]) -> list[ArchivedRecord]:
    """Return records of a file with their personal parts sealed; the keys are on the disk then."""
    with keys.changing():
        sealing = _Sealing(keys)
        sealed = [sealing.sealed(name, each) for each in records]
        keys.move(name.tp, name.topic_id, name.next)
        return sealed


class _Sealing:
    """Seals within one change of the keys."""

    def __init__(self, keys: PersonKeys) -> None:
        self._keys = keys
        self._known: dict[str, PersonKey] = {}
        self._erased: dict[str, int] = {}
        """Until when people were erased, of those who were looked up."""
        self._linked: set[tuple[str, str, bool]] = set()
        self._place, self._at = b"", 0

    def sealed(self, name: SegmentName, record: ArchivedRecord) -> ArchivedRecord:
        self._place, self._at = _place(name, record), instant_of(name.topic, record)
        return visit(name.topic, record, self)._replace(is_sealed=True)

    def replace(self, people: Sequence[str], part: bytes) -> bytes:
        if any(map(self._is_erased, people)):
            return ERASED
        keys = [self._key(each) for each in people]
        for key in keys:
            part = key.cipher.encrypt(part, [self._place])
        return b'"sealed:%b:%b"' % (".".join(key.id for key in keys).encode(), urlsafe_b64encode(part))

    def link(self, person: str, case_id: str) -> None:
        link = (person, case_id, is_customer(person) and self._is_erased(person))
        if link not in self._linked:
            self._linked.add(link)
            if self._keys.link(person, case_id, self._at):
                self._erased[case(case_id)] = FOR_EVER

    def _is_erased(self, person: str) -> bool:
        """Return whether what the record has of a person is from before their erasure."""
        if person not in self._erased:
            self._erased[person] = self._keys.erased_until(person)
        return self._at <= self._erased[person]

    def _key(self, person: str) -> PersonKey:
        if person not in self._known:
            self._known[person] = self._keys.key_of(person)
        return self._known[person]


class Opener:
    """Opens sealed records with the keys that there are; without any, all that is sealed counts as erased."""

    def __init__(self, keys: PersonKeys | None) -> None:
        self._keys = keys
        self._known: dict[bytes, PersonKey | None] = {}
        self._place, self._is_erased = b"", False

    def open(self, name: SegmentName, record: ArchivedRecord) -> Opened:
        """Return a record of a file as it was consumed; raises `Fatal` for a part that was sealed elsewhere."""
        if record.is_sealed is False:
            return Opened(record, False)
        self._place, self._is_erased = _place(name, record), False
        # Files of earlier versions do not say whether they are sealed: what looks sealed in them counts as sealed.
        opened = visit(name.topic, record, self) if _may_be_sealed(name.topic, record) else record
        return Opened(opened if self._is_erased else opened._replace(is_sealed=False), self._is_erased)

    def open_whole(self, name: SegmentName, record: ArchivedRecord) -> ArchivedRecord | None:
        """Return a record of a file as it was consumed, None if anything of it was erased; raises as `open` does."""
        opened = self.open(name, record)
        return None if opened.is_erased else opened.record

    def replace(self, _: Sequence[str], part: bytes) -> bytes:
        """Return what was sealed in a part."""
        found = _SEALED.fullmatch(part)
        if found is None:
            return part
        keys = [] if found[1] is None else [self._key(each) for each in found[1].split(b".")]
        known = [each for each in keys if each is not None]
        if not known or len(known) < len(keys):
            self._is_erased = True
            return part
        try:
            opened = urlsafe_b64decode(found[2])
            for key in reversed(known):
                opened = key.cipher.decrypt(opened, [self._place])
        except (InvalidTag, ValueError):
            raise Fatal(f"{self._place.decode()}: a sealed part is not of this record") from None
        return opened

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
    return any(part is not None and SEALED in part for part in parts)


def _place(name: SegmentName, record: ArchivedRecord) -> bytes:
    """Return where a record is, which its sealed parts are bound to."""
    return f"{name.tp.name}@{record.offset} of {name.topic_id}".encode()
