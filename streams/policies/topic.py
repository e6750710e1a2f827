"""Reads the topic `policies`, whole at the start and then what is new (contracts.md, "Policy")."""

from __future__ import annotations

import asyncio
import logging

from schemas.errors import Fatal, PolicyError
from schemas.policy.model import Policy
from streams.policies.book import PolicyBook
from streams.policies.source import KnownPolicies
from streams.runtime.ports import TP, OutputLog, Place, Stored

logger = logging.getLogger("sop.policies")


class PolicyTopic:
    """The policies of a book that is filled from a topic (see `streams.policies.source.PolicySource`)."""

    def __init__(self, log: OutputLog, topic: str, book: PolicyBook) -> None:
        self.known = KnownPolicies(book.policies)
        self._log, self._tp, self._book = log, TP(topic, 0), book
        self._next = self._refused = 0
        self._reading = asyncio.Lock()

    async def read(self) -> None:
        """Read all that there is by now; raises `Fatal` if that cannot be read."""
        async with self._reading:
            _, end = (await self._log.bounds([self._tp]))[self._tp]
            if self._next >= end:
                return
            async for records in self._log.read(self._tp, self._next):
                for record in records:
                    self._take(record)
                    self._next = record.offset + 1
            # its end, so that an owner that finds the last record deleted has read as far as the one before
            self._next = max(self._next, end)
            self.known = KnownPolicies(self._book.policies, {self._tp.name: self._next}, self._refused)

    async def look(self) -> None:
        """Read what is new, as `read` does; while the brokers do not answer, nothing is."""
        try:
            await self.read()
        except Fatal as error:
            logger.info("%s", error)

    def _take(self, record: Stored) -> None:
        try:
            change = self._book.take(record, f"{self._tp.name}@{record.offset}")
        except PolicyError as error:
            self._refused += 1
            logger.warning("refused, what was known stays: %s", error)
        else:
            if change is not None:
                logger.info("%s", change)


async def why_not_taken(log: OutputLog, book: PolicyBook, policy: Policy, place: Place) -> str | None:
    """Return why workers do not have a policy that was written at a place; None if they have it.

    `book` has read nothing yet. It is not sure beforehand: others may write to the topic at the same time.
    """
    reason = f"{place.name}: another record of this label came after it"
    try:
        async for records in log.read(place.tp, 0):
            for record in records:
                try:
                    book.take(record, f"{place.tp.name}@{record.offset}")
                except PolicyError as error:
                    if record.offset == place.offset:
                        reason = str(error)
    except Fatal as error:
        return str(error)
    found = book.published.get(policy.label)
    return None if found is not None and found.hash == policy.hash else reason
