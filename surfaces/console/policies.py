"""The policies that the console knows: those in files, and those that the read model has of their topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from schemas.errors import PolicyError
from schemas.policy.document import SIGNATURE_HEADER
from schemas.policy.model import PolicySet
from streams.policies.book import PolicyBook, Verify
from streams.policies.history import PolicyHistory, Published
from streams.runtime.ports import TP, Place, Stored
from surfaces.read_model.questions import ReadModel
from surfaces.read_model.views import StoredRecord

NOTHING: Final = "changes nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A record of the topic of policies: what it changed, in words, or why workers refuse it."""

    place: Place
    published_at: int
    label: str
    what: str
    is_refused: bool = False
    signatures: int = 0
    """How many the record has, checked or not."""
    signers: Sequence[str] = ()
    """The names of the keys that have signed, if signatures are checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePolicies:
    """What is known: `history` has the policies of now and of then, `publications` each record of the topic."""

    history: PolicyHistory
    publications: Sequence[Publication]
    published: Mapping[str, Publication]
    """By label: the record that brought the policy that is known now."""


def console_policies(
    model: ReadModel, in_files: PolicySet, verify: Verify, topic: str
) -> Callable[[], ConsolePolicies]:
    """Return a function that returns what is known by now, from files and from `topic`; `verify` checks signatures.

    The function may be called in any thread, and raises as the read model does.
    """

    @lru_cache(maxsize=1)  # every page of a case asks, and documents take a while to read
    def known(records: tuple[StoredRecord, ...]) -> ConsolePolicies:
        return _read(records, PolicyBook(in_files, verify), TP(topic, 0))

    return lambda: known(model.published_policies())


def _read(records: Sequence[StoredRecord], book: PolicyBook, tp: TP) -> ConsolePolicies:
    given = book.policies
    published, publications = list[Published](), list[Publication]()
    by_label = dict[str, Publication]()
    for record in records:
        publication, has_changed = _taken(record, book)
        publications.append(publication)
        if has_changed:
            published.append(Published(record.place.offset, book.policies))
            by_label[publication.label] = publication
    return ConsolePolicies(
        history=PolicyHistory(given, tp.name, published), publications=publications, published=by_label
    )


def _taken(record: StoredRecord, book: PolicyBook) -> tuple[Publication, bool]:
    """Have a book take a record; return what became of it, and whether that changed what is known."""
    label, where = (record.key or b"").decode(errors="replace"), record.place.name
    stored = Stored(record.place.offset, record.key, record.value, record.headers, record.published_at // 1000)
    try:
        change, is_refused = book.take(stored, where), False
    except PolicyError as error:
        change, is_refused = str(error).removeprefix(f"{where}: "), True
    publication = Publication(
        place=record.place,
        published_at=record.published_at,
        label=label,
        what=change or NOTHING,
        is_refused=is_refused,
        signatures=sum(name == SIGNATURE_HEADER for name, _ in record.headers),
        signers=() if is_refused else book.signers.get(label, ()),
    )
    return publication, change is not None and not is_refused
