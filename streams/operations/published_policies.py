"""The policies on the topic `policies` of a cluster, beside those in files (contracts.md, "Policy")."""

from __future__ import annotations

from schemas.errors import UsageError
from schemas.policy.model import PolicySet
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.policies.book import PolicyBook, Verify, unsigned
from streams.policies.topic import PolicyTopic


def policy_topic(settings: Settings, connection: KafkaConnection, topics: Topics, in_files: PolicySet) -> PolicyTopic:
    """Return the policies that are published, beside those in files; nothing is read yet.

    Raises `UsageError` if SOP_POLICY_KEYS cannot be used.
    """
    return PolicyTopic(KafkaLog(connection), topics.policies, PolicyBook(in_files, signature_check(settings)))


def signature_check(settings: Settings) -> Verify:
    """Return the check of signatures that SOP_POLICY_KEYS asks for; raises `UsageError` if it cannot be used."""
    if not settings.policy_keys:
        return unsigned
    try:
        from streams.audit.policy_signatures import SignatureCheck  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise UsageError(
            "SOP_POLICY_KEYS: signatures are checked with an extra: pip install 'sop-streams[audit]'"
        ) from error
    return SignatureCheck(settings.policy_keys)
