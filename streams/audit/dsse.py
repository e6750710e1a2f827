"""Signed envelopes (DSSE): a payload, its type, and signatures over both, in one JSON file; Ed25519 only."""

from __future__ import annotations

import base64
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from msgspec import Struct

from streams.audit.note import Signer, Verifier


class Signature(Struct, frozen=True):
    """A signature in Base64, and which key has made it."""

    keyid: str
    sig: str


class Envelope(Struct, frozen=True, rename="camel"):
    """A payload in Base64 and its signatures."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


def sign_envelope(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Return a payload in an envelope, signed."""
    signature = signer.key.sign(_signed_bytes(payload, payload_type))
    signatures = (Signature(key_id(signer.verifier), _text(signature)),)
    envelope = Envelope(_text(payload), payload_type, signatures)
    return msgspec.json.format(msgspec.json.encode(envelope), indent=1) + b"\n"


def open_envelope(content: bytes, payload_type: str, verifier: Verifier) -> bytes:
    """Return the payload of an envelope that this key has signed; raises ValueError with the reason if it has not.

    Signatures by other keys are passed over.
    """
    try:
        envelope = _envelopes.decode(content)
        payload = base64.b64decode(envelope.payload, validate=True)
    except (ValueError, RecursionError):
        raise ValueError("it is not a signed envelope") from None
    if envelope.payload_type != payload_type:
        raise ValueError(f"its content is {envelope.payload_type!a}, not {payload_type}")
    wanted = key_id(verifier)
    found = [each.sig for each in envelope.signatures if each.keyid == wanted]
    if not found:
        names = ", ".join(ascii(each.keyid) for each in envelope.signatures)
        raise ValueError(f"{wanted} did not sign it{f', but {names}' if names else ''}")
    for sig in found:
        try:
            verifier.key.verify(base64.b64decode(sig, validate=True), _signed_bytes(payload, envelope.payload_type))
        except (InvalidSignature, ValueError):
            raise ValueError(f"the signature of {wanted} does not belong to it") from None
    return payload


def key_id(verifier: Verifier) -> str:
    """Return how envelopes name a key."""
    return f"{verifier.name}+{verifier.hash.hex()}"


def _signed_bytes(payload: bytes, payload_type: str) -> bytes:
    """Return what is signed (DSSE's pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


_envelopes: Final = msgspec.json.Decoder(Envelope)
