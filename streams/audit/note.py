"""Signed notes and their keys, as C2SP's signed-note and Go's `golang.org/x/mod/sumdb/note` have them: Ed25519 only."""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from schemas.errors import UsageError

ED25519: Final = b"\x01"
SIGNATURE: Final = "\N{EM DASH} "
_PRIVATE: Final = "PRIVATE+KEY+"
_NAME: Final = re.compile(r"[^\s+]+")


class Verifier(NamedTuple):
    """A public key, written `name+hash+base64`."""

    name: str
    hash: bytes
    key: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Return the key that a text is; raises `UsageError` if it is none."""
        name, key_hash, raw = _parse(text, "a public key such as name+1234abcd+AW…")
        return cls(name, key_hash, Ed25519PublicKey.from_public_bytes(raw))

    def __str__(self) -> str:
        raw = self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(ED25519 + raw).decode()}"


class Signer(NamedTuple):
    """A private key, written `PRIVATE+KEY+name+hash+base64`, and the public one that belongs to it."""

    verifier: Verifier
    key: Ed25519PrivateKey

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Return the key that a text is; raises `UsageError`, without the text, if it is none."""
        if not text.startswith(_PRIVATE):
            raise UsageError("it is not a private key such as PRIVATE+KEY+name+1234abcd+AW…")
        name, key_hash, raw = _parse(text.removeprefix(_PRIVATE), "a private key such as PRIVATE+KEY+name+1234abcd+AW…")
        key = Ed25519PrivateKey.from_private_bytes(raw)
        signer = cls.of(name, key)
        if signer.verifier.hash != key_hash:
            raise UsageError("the parts of the private key do not belong together")
        return signer

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> Signer:
        """Return a key under a name; raises `UsageError` for a name with spaces or plus signs."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a key: it is empty, or has spaces or plus signs")
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(Verifier(name, _key_hash(name, raw), key.public_key()), key)

    def __str__(self) -> str:
        raw = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        encoded = base64.b64encode(ED25519 + raw).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.hash.hex()}+{encoded}"

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name!r})"  # never the key


def signed_note(text: str, signer: Signer) -> str:
    """Return a text, which ends with a line end, signed."""
    verifier = signer.verifier
    signature = base64.b64encode(verifier.hash + signer.key.sign(text.encode())).decode()
    return f"{text}\n{SIGNATURE}{verifier.name} {signature}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """Return the text of a note that this key has signed; raises ValueError with the reason if it has not.

    Signatures by other keys, such as those of witnesses, are passed over.
    """
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator or not signatures.endswith("\n"):
        raise ValueError("it is not a signed note")
    found_name = False
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line.removeprefix(SIGNATURE).partition(" ")
        if not line.startswith(SIGNATURE) or not name:
            raise ValueError("it is not a signed note")
        raw = _decoded(encoded)
        found_name |= name == verifier.name
        if name == verifier.name and raw[:4] == verifier.hash:
            try:
                verifier.key.verify(raw[4:], text.encode())
            except InvalidSignature:
                raise ValueError(f"the signature of {verifier.name} does not belong to it") from None
            return text
    raise ValueError(f"another key of {verifier.name} signed it" if found_name else f"{verifier.name} did not sign it")


def _key_hash(name: str, raw: bytes) -> bytes:
    return sha256(f"{name}\n".encode() + ED25519 + raw).digest()[:4]


def _parse(text: str, expected: str) -> tuple[str, bytes, bytes]:
    name, _, rest = text.strip().partition("+")
    key_hash, _, encoded = rest.partition("+")
    try:
        raw, found = _decoded(encoded), bytes.fromhex(key_hash)
    except ValueError:
        raise UsageError(f"it is not {expected}") from None
    if not _NAME.fullmatch(name) or len(found) != 4 or len(raw) != 33 or raw[:1] != ED25519:
        raise UsageError(f"it is not {expected}")
    if expected.startswith("a public") and found != _key_hash(name, raw[1:]):
        raise UsageError("the parts of the public key do not belong together")
    return name, found, raw[1:]


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None
