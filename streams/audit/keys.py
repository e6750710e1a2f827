"""Keys of a log in files: the private one that signs it, the public one that everybody has."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.errors import UsageError
from streams.audit.note import Signer, Verifier
from streams.files.private import write_private_file


def make_key(name: str, path: str) -> Verifier:
    """Write a new private key to a file that only its owner may read, and return the public one.

    Raises `UsageError` for a name that no key can have, or a file that exists or cannot be written.
    """
    signer = Signer.of(name, Ed25519PrivateKey.generate())
    write_private_file(path, f"{signer}\n")
    return signer.verifier


def read_signer(path: str) -> Signer:
    """Return the private key in a file; raises `UsageError` if there is none."""
    try:
        return Signer.parse(_text(path))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def read_verifier(key: str) -> Verifier:
    """Return a public key, given itself or as the name of a file; raises `UsageError` if it is neither."""
    if Path(key).is_file():
        key = _text(key)
    return Verifier.parse(key)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not a key'}") from error
