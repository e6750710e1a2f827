"""The policies that an archive has, as workers knew them."""

from __future__ import annotations

from streams.archive.policies import take_policies
from streams.archive.reading import ArchiveReader
from streams.policies.book import PolicyBook
from streams.policies.history import PolicyHistory, Published
from streams.runtime.ports import TP


def policy_history(reader: ArchiveReader, topic: str, book: PolicyBook) -> PolicyHistory:
    """Return the policies of a book, and those in a topic of an archive as the book takes or refuses them."""
    given = book.policies
    published = [Published(offset, book.policies) for offset in take_policies(reader, topic, book)]
    return PolicyHistory(given, TP(topic, 0).name, published)
