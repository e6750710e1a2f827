"""Which policies a command works with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.errors import PolicyError
from schemas.files import read_small_text
from schemas.policy.document import default_policy, load_policies, read_policy
from schemas.policy.model import Policy, PolicySet


def policies_from(paths: Sequence[str]) -> PolicySet:
    """Return the dated policies of some documents, with the built-in default before the first of them."""
    return load_policies([Path(path) for path in paths])


def only(path: str) -> PolicySet:
    """Return one document as the policy of all cases, whatever its date."""
    return PolicySet([], default=read_document(path))


def read_document(path: str) -> Policy:
    """Return the policy of one document; raises `PolicyError` ("path: key: reason") where it cannot be read or used."""
    try:
        text = read_small_text(path)
    except ValueError as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
    return read_policy(text, path)


def default() -> PolicySet:
    """Return the built-in policy for all cases."""
    return PolicySet([], default=default_policy())
