"""Which policies there are, given files and the records of the topic `policies` in order (contracts.md, "Policy").

The result depends on the records alone, with the times at which they were written, so every worker and every replay
finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from agents.sops.catalogue import POLICIES
from schemas.codec.headers import Headers
from schemas.errors import PolicyError
from schemas.policy.document import refuse_clash
from schemas.policy.model import MINUTE, Policy, PolicySet
from schemas.timestamps import format_instant
from streams.runtime.ports import Stored

LEAD_US: Final = MINUTE
"""How long before it comes into force a policy has to be published or withdrawn, so that all workers know in time."""

Verify = Callable[[str | None, Headers], Sequence[str]]
"""Returns the names of the keys that have signed a document (None: its withdrawal).

Raises `PolicyError` ("key: reason") unless these are enough.
"""


def unsigned(_document: str | None, _headers: Headers) -> Sequence[str]:
    """Accept every document, signed by nobody that is known: no keys are named."""
    return ()


class PolicyBook:
    """The policies of files and those published; `verify` checks the signatures of the latter."""

    def __init__(self, in_files: PolicySet, verify: Verify = unsigned) -> None:
        self._default = in_files.default
        self._in_files = {policy.label: policy for policy in in_files.dated}
        self._verify = verify
        self.published: dict[str, Policy] = {}
        """By label."""
        self.documents: dict[str, str] = {}
        """Their text, by label."""
        self.signers: dict[str, Sequence[str]] = {}
        """The names of the keys that have signed them, by label."""

    @property
    def policies(self) -> PolicySet:
        """The policies to decide under."""
        return PolicySet({**self._in_files, **self.published}.values(), self._default)

    def take(self, record: Stored, where: str) -> str | None:
        """Take the next record; return what it changes, in words, or None.

        Raises `PolicyError` ("where: key: reason") for a record that is refused: what was known stays.
        """
        written_at = record.timestamp * 1000
        try:
            label = (record.key or b"").decode()
            text = None if record.value is None else record.value.decode()
        except ValueError:
            raise PolicyError(f"{where}: document: not UTF-8") from None
        try:
            signers = self._verify(text, record.headers)
        except PolicyError as error:
            raise PolicyError(f"{where}: {error}") from None
        known = self.published.get(label)
        if text is None:
            if known is None:
                return None
            self._refuse_if_in_force(known, written_at, f"{where}: label: {label!r} cannot be withdrawn")
            del self.published[label], self.documents[label], self.signers[label]
            return f"policy {known.name} is withdrawn"
        change = self._publish(label, text, known, record, where)
        self.signers[label] = signers
        return change

    def _publish(self, label: str, text: str, known: Policy | None, record: Stored, where: str) -> str | None:
        policy = POLICIES.read(text, where)
        if policy.label != label:
            raise PolicyError(f"{where}: label: {policy.label!r}, but the key of the record is {label!r}")
        self.check(policy, record.timestamp * 1000, where)
        self.published[label], self.documents[label] = policy, text
        return None if known == policy else f"policy {policy.name} is in force {since(policy)}"

    def check(self, policy: Policy, at: int, where: str) -> None:
        """Raise `PolicyError` ("where: key: reason") if a policy written at an instant (microseconds) is not taken."""
        known = self.published.get(policy.label)
        if known is not None and known.hash != policy.hash:
            self._refuse_if_in_force(known, at, f"{where}: label: {policy.label!r} cannot be changed")
        others = (*self._in_files.values(), *self.published.values())
        refuse_clash(policy, (each for each in others if each is not known and each.hash != policy.hash), where)

    @staticmethod
    def _refuse_if_in_force(policy: Policy, at: int, what: str) -> None:
        """Raise `PolicyError` if a policy was in force at an instant (microseconds), or soon after."""
        if is_in_force(policy, at):
            raise PolicyError(
                f"{what}: it is in force {since(policy)}, and decisions may rest on it; publish another label"
            )


def since(policy: Policy) -> str:
    """Return from when a policy is in force, in words."""
    return "always" if policy.effective_from is None else f"from {format_instant(policy.effective_from)}"


def is_in_force(policy: Policy, at: int) -> bool:
    """Return whether a policy is in force at an instant (microseconds), or sooner after it than all workers know."""
    return policy.effective_from is None or policy.effective_from < at + LEAD_US
