"""The policies that workers knew when they decided."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.policy.model import PolicySet


class Published(NamedTuple):
    """The offset of a record with a policy, and the policies that were known once it was read."""

    offset: int
    policies: PolicySet


class PolicyHistory:
    """The policies that workers had from files and, after each record of a topic, those known then.

    `place` is the partition of that topic, as input positions name it.
    """

    def __init__(self, given: PolicySet, place: str = "", published: Sequence[Published] = ()) -> None:
        self._place = place
        self._known = [given, *(each.policies for each in published)]
        self._offsets = [each.offset for each in published]
        self.latest: Final = self._known[-1]
        """Those known now."""
        self.names: Final = frozenset(policy.name for policies in self._known for policy in policies.all)
        """All of them, as `label@hash`."""

    def at(self, positions: Mapping[str, int]) -> PolicySet:
        """Return those that were known at input positions, which name the topic once something was read of it."""
        return self._known[bisect_left(self._offsets, positions.get(self._place, 0))]
