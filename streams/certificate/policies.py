"""The policies that workers knew when they decided."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from agents.sops.catalogue import POLICIES
from schemas.errors import PolicyError
from schemas.policy.model import Policy, PolicySet
from streams.archive.reading import ArchiveReader
from streams.runtime.ports import TP

POLICY_TOPIC: Final = "policies"
"""Policy documents by their label, without the prefix."""


class Published(NamedTuple):
    """A record of the topic with policies, and those that were known once it was read."""

    offset: int
    timestamp: int
    policies: PolicySet


class KnownPolicies:
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


def known_policies(reader: ArchiveReader, topic: str, given: PolicySet) -> KnownPolicies:
    """Return the policies of files and those in a topic of an archive, without documents that workers refuse."""
    default, *in_files = given.all
    latest: dict[str, Policy] = {each.label: each for each in in_files}
    published: list[Published] = []
    for name, record in reader.records([topic]):
        try:
            policy = POLICIES.read((record.value or b"").decode(), f"{name.tp.name}@{record.offset}")
        except (PolicyError, UnicodeDecodeError):
            continue
        latest[policy.label] = policy
        published.append(Published(record.offset, record.timestamp, PolicySet(latest.values(), default)))
    return KnownPolicies(given, TP(topic, 0).name, published)
