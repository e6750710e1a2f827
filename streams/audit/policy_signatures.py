"""Signatures on policy documents, as lines of a signed note, and who has to have signed (contracts.md, "Policy")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.codec.headers import Headers
from schemas.errors import PolicyError, UsageError
from schemas.policy.document import SIGNATURE_HEADER
from streams.audit.keys import read_verifier
from streams.audit.note import SIGNATURE, Signer, Verifier, open_note, signed_note

NEEDED: Final = 2
"""How many of the named keys have to sign."""


def signature_line(document: str, signer: Signer) -> str:
    """Return the line of a signed note with which a key signs a document."""
    return signed_note(_text(document), signer).rpartition("\n\n")[2].strip("\n")


def signature_lines(text: str, where: str) -> list[str]:
    """Return the lines of a file of signatures; raises `UsageError`, which says `where`, if it has any other line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(not line.startswith(SIGNATURE) for line in lines):
        raise UsageError(f"{where}: not a file of signatures, whose lines begin with a dash (sop policy sign)")
    return lines


class SignatureCheck:
    """Whether enough of the named keys have signed a document; raises `UsageError` for what is no key."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._verifiers = [_verifier(key) for key in keys]
        if len({bytes(each.key.public_bytes_raw()) for each in self._verifiers}) < NEEDED:
            raise UsageError(f"SOP_POLICY_KEYS: names fewer than {NEEDED} different keys, but {NEEDED} have to sign")

    def __call__(self, document: str | None, headers: Headers) -> Sequence[str]:
        """Return the names of the keys that have signed; None is a withdrawal.

        Raises `PolicyError` ("signatures: reason") unless two different ones have.
        """
        if document is None:
            raise PolicyError("signatures: a withdrawal has none; publish another policy instead")
        return self.verify(
            document, [(value or b"").decode(errors="replace") for name, value in headers if name == SIGNATURE_HEADER]
        )

    def verify(self, document: str, lines: Iterable[str]) -> Sequence[str]:
        """Return the names of the keys whose signatures the lines have.

        Raises `PolicyError` ("signatures: reason") unless two different keys have signed.
        """
        # with a line end in it, a line could bring a part of the text that was signed
        note = f"{_text(document)}\n" + "".join(f"{line}\n" for line in lines if "\n" not in line)
        signed = {each.key.public_bytes_raw(): each.name for each in self._verifiers if _has_signed(each, note)}
        if len(signed) < NEEDED:
            found = f"only {', '.join(signed.values())} has" if signed else "none of the keys of SOP_POLICY_KEYS has"
            raise PolicyError(f"signatures: {found} signed it, {NEEDED} have to")
        return list(signed.values())


def _has_signed(verifier: Verifier, note: str) -> bool:
    try:
        open_note(note, verifier)
    except ValueError:
        return False
    return True


def _verifier(key: str) -> Verifier:
    try:
        return read_verifier(key)
    except UsageError as error:
        raise UsageError(f"SOP_POLICY_KEYS: {error}") from None


def _text(document: str) -> str:
    """Return a document as the text of a note, which ends with a line end."""
    return document if document.endswith("\n") else f"{document}\n"
