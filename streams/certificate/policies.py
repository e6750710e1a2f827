"""The policies that workers knew when they decided."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from schemas.errors import PolicyError
from schemas.policy.model import PolicySet
from streams.archive.reading import ArchiveReader
from streams.policies.book import PolicyBook
from streams.runtime.ports import TP, Stored


class Published(NamedTuple):
    """A record of the topic with policies, and those that were known once it was read."""

    offset: int
    timestamp: int
    policies: PolicySet


class PolicyHistory:
    """The policies that workers had from files and, after each record of a topic, those known then.

    `place` is the partition of that topic, as input positions name it.
    """

    def __init__(self, given: PolicySet, place: str = "", published: Sequence[Published] = ()) -> None:
        self._place = place
        self._known = [given, *(each.policies for each in published)]
        self._offsets = [each.offset for each in published]
        self._timestamps = [each.timestamp for each in published]
        self.names: Final = frozenset(policy.name for policies in self._known for policy in policies.all)
        """All of them, as `label@hash`."""

    def at(self, positions: Mapping[str, int], timestamp: int) -> PolicySet:
        """Return those that were known at input positions or, if these do not say, at an instant in milliseconds."""
        if self._place in positions:
            return self._known[bisect_left(self._offsets, positions[self._place])]
        return self._known[bisect_left(self._timestamps, timestamp)]


def policy_history(reader: ArchiveReader, topic: str, book: PolicyBook) -> PolicyHistory:
    """Return the policies of a book, and those in a topic of an archive as the book takes or refuses them."""
    given, published = book.policies, []
    for name, record in reader.records([topic]):
        stored = Stored(record.offset, record.key, record.value, record.headers, record.timestamp)
        with suppress(PolicyError):
            if book.take(stored, f"{name.tp.name}@{record.offset}") is not None:
                published.append(Published(record.offset, record.timestamp, book.policies))
    return PolicyHistory(given, TP(topic, 0).name, published)
