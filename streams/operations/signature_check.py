"""The signatures that a record of the topic `policies` has, and the check of them that SOP_POLICY_KEYS asks for."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.policy.document import SIGNATURE_HEADER
from streams.config.settings import Settings
from streams.policies.book import Verify, unsigned
from streams.process.extras import extra


def signature_check(settings: Settings) -> Verify:
    """Return the check of signatures that SOP_POLICY_KEYS asks for; raises `UsageError` if it cannot be used."""
    if not settings.policy_keys:
        return unsigned
    with extra("audit", "SOP_POLICY_KEYS"):
        from streams.audit.policy_signatures import SignatureCheck  # noqa: PLC0415 - an extra
    return SignatureCheck(settings.policy_keys)


def signature_headers(lines: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the headers of a record with these lines of signatures."""
    return [(SIGNATURE_HEADER, line.encode()) for line in lines]
