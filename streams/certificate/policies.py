"""The policies that workers knew when they decided."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from agents.sops.catalogue import POLICIES
from schemas.errors import PolicyError
from schemas.policy.model import Policy, PolicySet
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.runtime.ports import TP

POLICY_TOPIC: Final = "policies"
"""Policy documents by their label, without the prefix."""


class KnownPolicies:
    """The policies that workers had from files, and those published since, in the order of their publication.

    `place` is the partition of the topic with the published ones, as input positions name it.
    """

    def __init__(
        self, given: PolicySet, place: str = "", published: Sequence[tuple[ArchivedRecord, Policy]] = ()
    ) -> None:
        self._place = place
        self._default, *self._given = given.all
        self._published = [policy for _, policy in published]
        self._offsets = [record.offset for record, _ in published]
        self._timestamps = [record.timestamp for record, _ in published]
        self._sets: dict[int, PolicySet] = {0: given}
        self.names: Final = frozenset(each.name for each in (*given.all, *self._published))
        """All of them, as `label@hash`."""

    def at(self, positions: Mapping[str, int], timestamp: int) -> PolicySet:
        """Return those that were known at input positions or, if these do not say, at an instant in milliseconds."""
        if self._place in positions:
            count = bisect_left(self._offsets, positions[self._place])
        else:
            count = bisect_left(self._timestamps, timestamp)
        if count not in self._sets:
            latest = {each.label: each for each in (*self._given, *self._published[:count])}
            self._sets[count] = PolicySet(latest.values(), self._default)
        return self._sets[count]


def known_policies(reader: ArchiveReader, topic: str, given: PolicySet) -> KnownPolicies:
    """Return the policies of files and those in a topic of an archive, without documents that workers refuse."""
    published: list[tuple[ArchivedRecord, Policy]] = []
    for name, record in reader.records([topic]):
        try:
            text = (record.value or b"").decode()
            published.append((record, POLICIES.read(text, f"{name.tp.name}@{record.offset}")))
        except (PolicyError, UnicodeDecodeError):
            continue
    return KnownPolicies(given, TP(topic, 0).name, published)
