"""Where a worker's policies come from, as its processors see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from schemas.policy.model import PolicySet


class KnownPolicies(NamedTuple):
    """Policies, and what they were read from."""

    policies: PolicySet
    positions: Mapping[str, int] = {}
    """The next offset to read, by `topic-partition`."""
    refused: int = 0
    """How many records were refused."""


class PolicySource(Protocol):
    """All partition numbers of a worker share it."""

    @property
    def known(self) -> KnownPolicies:
        """What has been read so far: the same object until there is more."""

    async def read(self) -> None:
        """Read all that there is by now; raises `Fatal` if that cannot be read."""

    async def look(self) -> None:
        """Do the same, except that nothing is read while that cannot be read."""


class FixedPolicies:
    """Policies that stay the same."""

    def __init__(self, policies: PolicySet) -> None:
        self.known = KnownPolicies(policies)

    async def read(self) -> None:
        """Do nothing."""

    async def look(self) -> None:
        """Do nothing."""
