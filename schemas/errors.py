"""Every error of the project, sorted by what is done about it.

SopError
├── Unavailable         try again: a broker or store does not answer right now
├── InvalidMessage      to the dead letters: this input will never be accepted as it is
└── Fatal               stop: going on would lose or falsify something
    ├── Fenced          another worker publishes for this partition now
    ├── Unpublishable   Kafka will never take a record as it is: what it is about is given up after a restart
    ├── StoreLost       the checkpoint store is not where this worker left it
    └── UsageError      stop with status 2: arguments or input that cannot be used
        └── PolicyError     a policy document with a key that cannot be used
"""

from __future__ import annotations


class SopError(Exception):
    """Root of all errors that the project raises on purpose; the message is one line for a user."""


class Unavailable(SopError):
    """A service does not answer; the same call may succeed later."""


class InvalidMessage(SopError):
    """An input that goes to the dead letters; `reason` is one line that begins with the path of the offending field."""

    def __init__(self, reason: str) -> None:
        """Take the reason that the dead letter carries."""
        super().__init__(reason)
        self.reason = reason


class Fatal(SopError):
    """The process has to end; whoever restarts it decides what comes next."""


class Fenced(Fatal):
    """Another worker has taken over the partition; whatever this one would still publish is refused by the broker."""


class Unpublishable(Fatal):
    """A record whose content has it refused by Kafka, however often it is sent: it is too large, or invalid there."""

    def __init__(self, message: str, *, about: str | None, is_certain: bool) -> None:
        """Take whom the record is about (see `Outgoing`), and whether it is this record for certain."""
        super().__init__(message)
        self.about = about
        self.is_certain = is_certain


class StoreLost(Fatal):
    """Another worker owns the checkpoints, or acknowledged writes are gone: recover from where the store stands."""


class UsageError(Fatal):
    """What the user gave cannot be used: exit status 2 with the message as the only line."""


class PolicyError(UsageError):
    """A policy document was refused; the message says where, which key and why."""
