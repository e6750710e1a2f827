"""The errors that the project raises on purpose, sorted by the reaction to them.

SopError
├── Unavailable         retry: a broker or store does not answer at the moment
├── InvalidMessage      dead letter: this input will never be accepted as it is
└── Fatal               stop: continuing would lose or corrupt data
    ├── Fenced          another worker publishes for this partition now
    ├── Unpublishable   Kafka will never accept this record: its subject is quarantined after a restart
    ├── StoreLost       the checkpoint store is not as this worker left it
    └── UsageError      stop with status 2: arguments or input cannot be used
        └── PolicyError     a policy document is invalid
"""

from __future__ import annotations


class SopError(Exception):
    """Base class of the errors that the project raises on purpose; the message is one line for a user."""


class Unavailable(SopError):
    """A service does not answer; the same call may succeed later."""


class InvalidMessage(SopError):
    """An input that becomes a dead letter; `reason` is one line that begins with the path of the offending field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fatal(SopError):
    """The process must end; its supervisor decides whether to restart it."""


class Fenced(Fatal):
    """Another worker has taken over the partition; the broker rejects what this one still publishes."""


class Unpublishable(Fatal):
    """A record that Kafka rejects however often it is sent, because it is too large or invalid.

    `about` is the subject of the record (see `Outgoing`). `is_certain` is false if another record of the same batch may
    be the rejected one.
    """

    def __init__(self, message: str, *, about: str | None, is_certain: bool) -> None:
        super().__init__(message)
        self.about = about
        self.is_certain = is_certain


class StoreLost(Fatal):
    """Another worker owns the checkpoints, or acknowledged writes are lost: recover from the state of the store."""


class UsageError(Fatal):
    """Unusable arguments, settings or input: exit with status 2 and the message as the only line."""


class PolicyError(UsageError):
    """An invalid policy document; the message names the document, the key and the reason."""
